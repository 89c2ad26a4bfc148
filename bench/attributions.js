/**
 * @file What a method of attribution costs an image, in forward passes of an image in a full batch; what masks gain from
 * sharing batches; and the memory of a thousand explanations. Everything of one network runs once a round, one after the
 * other, so that the noise of the machine meets all alike.
 */
import { attribute } from '../packages/tempered/dist/attribution/attribute.js';
import { gradCam } from '../packages/tempered/dist/attribution/cam/grad-cam.js';
import { deepLift } from '../packages/tempered/dist/attribution/deep-lift.js';
import { expectedGradients } from '../packages/tempered/dist/attribution/expected-gradients.js';
import { plainGradient } from '../packages/tempered/dist/attribution/gradient.js';
import { guidedBackprop } from '../packages/tempered/dist/attribution/guided-backprop.js';
import { integratedGradients } from '../packages/tempered/dist/attribution/integrated-gradients.js';
import { lrp } from '../packages/tempered/dist/attribution/lrp/lrp.js';
import { occlusion } from '../packages/tempered/dist/attribution/perturbation/occlusion.js';
import { rise } from '../packages/tempered/dist/attribution/perturbation/rise.js';
import { smoothGrad } from '../packages/tempered/dist/attribution/smoothgrad.js';
import { Classifier } from '../packages/tempered/dist/models/classifier.js';
import { predictLogits } from '../packages/tempered/dist/models/predict.js';
import { modelOf, uploadImages } from './gradients.js';
import { medians } from './measure.js';

/** Points of the methods that take many. */
const POINTS = 50;

/**
 * `batches`: those that cheap methods explain, as a forward pass alone is timed over as many. `points`: of the methods
 * that take 50, as many as make full batches of `pathImages`; the cost of 50 is in proportion. `masks`: as many as make
 * two batches; `alone`: those that are run one by one.
 */
const CASES = /** @type {const} */ ([
  {
    model: 'MNIST CNN',
    batch: 50,
    batches: 4,
    rounds: 7,
    points: 50,
    pathImages: 4,
    window: 10,
    stride: 2,
    masks: 100,
    alone: 25,
  },
  {
    model: 'CIFAR ResNet-18',
    batch: 32,
    batches: 1,
    rounds: 3,
    points: 48,
    pathImages: 2,
    window: 4,
    stride: 4,
    masks: 64,
    alone: 16,
  },
]);

/** The most forwards that the project allows. */
const BOUNDS = { gradient: 3, 'Grad-CAM': 1.5, 'integrated gradients, 50 points': 110, 'SmoothGrad, 50 samples': 110 };

/**
 * @typedef {import('tempered').AttributionMethod} Method
 * @typedef {{ method: Method, images: number, per: number, shown: string }} Task  cost is counted per so many images or masks
 */

/** @param {import('tempered').Runtime} runtime */
export async function attributionFigures(runtime) {
  const costs = [];
  const masks = [];
  for (const each of CASES) {
    const { model: name, batch, rounds, points } = each;
    const classifier = new Classifier(modelOf(name), runtime);
    const tasks = tasksOf(classifier, each);
    const forward = await forwardPasses(classifier, batch, each.batches);
    const times = await medians(
      {
        forward,
        ...Object.fromEntries(Object.entries(tasks).map(([task, { run }]) => [task, run])),
        'one by one': oneByOne(classifier, each.alone),
        'forward again': forward,
      },
      rounds,
    );
    const seconds = (/** @type {string} */ task) => times[task] ?? Number.NaN;
    const aForward = (seconds('forward') + seconds('forward again')) / 2 / batch / each.batches;
    const unit = (/** @type {string} */ task) => seconds(task) / (tasks[task]?.per ?? 1) / aForward;
    for (const [task, { shown }] of Object.entries(tasks)) {
      costs.push({
        name: shown,
        model: name,
        batch,
        forwards: unit(task) * (task.startsWith('path') ? POINTS / points : 1),
        bound: /** @type {Record<string, number>} */ (BOUNDS)[shown],
        extrapolatedFrom: task.startsWith('path') && points !== POINTS ? points : undefined,
      });
    }
    const alone = seconds('one by one') / each.alone / aForward;
    for (const method of ['occlusion', 'RISE'])
      masks.push({ name: method, model: name, batch, timesFaster: alone / unit(method) });
    await classifier.release();
  }
  return { costs, masks };
}

/**
 * @param {Classifier} classifier
 * @param {(typeof CASES)[number]} each
 */
function tasksOf(classifier, { batch, batches, points, pathImages, window, stride, masks }) {
  const [, side = 0] = classifier.inputShape;
  const windows = Math.ceil((side - window) / stride + 1) ** 2;
  const background = imagesOf(classifier, 8);
  const perBatch = { images: batches * batch, per: batches * batch };
  const path = { images: pathImages, per: pathImages };
  /** @type {Record<string, Task>} */
  const tasks = {
    gradient: { shown: 'gradient', method: plainGradient(), ...perBatch },
    'grad-cam': { shown: 'Grad-CAM', method: gradCam(), ...perBatch },
    'guided-backprop': { shown: 'guided backpropagation', method: guidedBackprop(), ...perBatch },
    'deep-lift': { shown: 'DeepLIFT', method: deepLift(), ...perBatch },
    lrp: { shown: 'LRP, ε-γ-box', method: lrp(), ...perBatch },
    'path ig': { shown: 'integrated gradients, 50 points', method: integratedGradients({ steps: points }), ...path },
    'path smoothgrad': { shown: 'SmoothGrad, 50 samples', method: smoothGrad({ samples: points }), ...path },
    'path expected': {
      shown: 'Expected Gradients, 50 samples',
      method: expectedGradients({ background, samples: points }),
      ...path,
    },
    occlusion: { shown: 'occlusion, a window', method: occlusion({ window, stride }), images: 1, per: windows },
    RISE: { shown: 'RISE, a mask', method: rise({ samples: masks }), images: 1, per: masks },
  };
  return Object.fromEntries(
    Object.entries(tasks).map(([name, { method, images: count, per, shown }]) => {
      const images = imagesOf(classifier, count);
      const run = async () => void (await attribute(classifier, { images, method, target: 3, batchSize: batch }));
      return [name, { run, per, shown }];
    }),
  );
}

/**
 * What a loop of one's own does: so many copies of an image, rows hidden in each, one call for each.
 * @param {Classifier} classifier
 * @param {number} count
 */
function oneByOne(classifier, count) {
  const { shape, data } = imagesOf(classifier, 1);
  return async () => {
    for (let i = 0; i < count; i++)
      await predictLogits(classifier, { shape, data: data.slice().fill(0, 8 * i, 8 * i + 64) });
  };
}

/**
 * @param {Classifier} classifier
 * @param {number} count
 */
function imagesOf({ inputShape }, count) {
  const shape = [count, ...inputShape];
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => 0.5 + 0.4 * Math.sin(i));
  return { shape, data };
}

/**
 * The network alone, on images that stay with the engine.
 * @param {Classifier} classifier
 * @param {number} batch
 * @param {number} batches
 */
async function forwardPasses(classifier, batch, batches) {
  const shape = [batch, ...classifier.inputShape];
  const x = await uploadImages(classifier.runtime, shape);
  const program = await classifier.program('forward', batch, ({ g, model }) => {
    g.output(model(g.input('x', 'float32', shape)).logits, 'scores');
  });
  return async () => {
    for (let i = 0; i < batches; i++) await program.run({ x });
  };
}

/**
 * Resident memory in megabytes before, while and after so many explanations of one image, by five methods in turn.
 * @param {import('tempered').Runtime} runtime
 * @param {number} count
 */
export async function memoryOverExplanations(runtime, count) {
  const classifier = new Classifier(modelOf('MNIST CNN'), runtime);
  const images = imagesOf(classifier, 1);
  const methods = [
    plainGradient(),
    gradCam(),
    lrp(),
    integratedGradients({ steps: 8 }),
    occlusion({ window: 7, stride: 7 }),
  ];
  const run = async (/** @type {number} */ explanations) => {
    for (let i = 0; i < explanations; i++) {
      const method = /** @type {Method} */ (methods[i % methods.length]);
      await attribute(classifier, { images, method, target: i % 10 });
    }
    return process.memoryUsage().rss / 2 ** 20;
  };
  const samples = [await run(50)];
  for (let part = 0; part < 4; part++) samples.push(await run(count / 4));
  await classifier.release();
  return samples;
}
