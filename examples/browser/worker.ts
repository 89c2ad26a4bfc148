/** @file Off the page's thread: holds the model, attacks it and explains it. */
import {
  argmaxRows,
  attribute,
  Classifier,
  centreSquare,
  createWebRuntime,
  DataError,
  decodeImageInBrowser,
  integratedGradients,
  type Progress,
  perturb,
  pgd,
  predictLogits,
  type Runtime,
  readModel,
  resize,
  softmaxRows,
  type Tensor,
  UsageError,
} from 'tempered/web';
import type { Device, Request, Response, Result, View } from './protocol.ts';

const runtimes: Partial<Record<Device, Promise<Runtime>>> = {};
let classifier: Classifier | undefined;

const post = (response: Response) => self.postMessage(response);
const onProgress = ({ stage, done, total }: Progress) => post({ kind: 'progress', stage, done, total });

// One request after another.
let queue = Promise.resolve();
self.addEventListener('message', ({ data }: MessageEvent<Request>) => {
  queue = queue.then(async () => {
    try {
      if (data.kind === 'load') await load(data);
      else post({ kind: 'result', result: await run(data) });
    } catch (error) {
      post({ kind: 'error', message: error instanceof Error ? error.message : String(error) });
    }
  });
});

async function load({ model, name, device }: Request & { kind: 'load' }): Promise<void> {
  await classifier?.release();
  classifier = undefined;
  const description = await naming(name, async () => readModel(model, { name }));
  const [channels] = description.inputShape;
  if (description.inputShape.length !== 3 || (channels !== 1 && channels !== 3))
    throw new UsageError(
      `this page shows grey and colour images, but ${name} takes ${description.inputShape.join('×')}`,
    );
  const runtime = await openRuntime(device);
  classifier = new Classifier(description, runtime);
  const { inputShape, classes } = description;
  post({ kind: 'loaded', inputShape, classes, engine: runtime.description });
}

/** Puts the file's name before what is wrong with its content. */
async function naming<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw new DataError(`${file}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

/** Started at first use and kept; a failure is forgotten, so that another attempt can succeed. */
function openRuntime(device: Device): Promise<Runtime> {
  const runtime = runtimes[device] ?? createWebRuntime({ device });
  runtimes[device] = runtime;
  runtime.catch(() => delete runtimes[device]);
  return runtime;
}

async function run({ image: bytes, name, epsilon, steps }: Request & { kind: 'run' }): Promise<Result> {
  if (classifier === undefined) throw new UsageError('choose a model first');
  const start = performance.now();
  const [channels, height, width] = classifier.inputShape as [1 | 3, number, number];
  const picture = await naming(name, () => decodeImageInBrowser(bytes, { channels }));
  const images = resize(centreSquare(picture), height, width);
  const natural = await view(classifier, images);
  const label = natural.prediction;
  const { adversarial, success, distance } = await perturb(classifier, pgd({ steps }), {
    images,
    labels: [label],
    epsilon,
    onProgress,
  });
  return {
    natural,
    adversarial: await view(classifier, adversarial, label),
    distance: distance[0]!,
    success: success[0] === 1,
    seconds: (performance.now() - start) / 1000,
  };
}

/** Prediction and attribution of one image; `target` is the class to explain, by default the predicted one. */
async function view(model: Classifier, image: Tensor, target?: number): Promise<View> {
  const logits = await predictLogits(model, image);
  const prediction = argmaxRows(logits)[0]!;
  const probability = softmaxRows(logits).data[prediction]!;
  const { attributions: attribution } = await attribute(model, {
    images: image,
    method: integratedGradients({ steps: 32 }),
    target: target ?? prediction,
    onProgress,
  });
  return { image, logits, prediction, probability, attribution };
}
