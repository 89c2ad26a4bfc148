import { type GraphBuilder, gradient, type Value } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import { checkBatchSize, defaultBatchSize, feed, floats, oneHot } from '../models/batching.ts';
import { type Classifier, type ClassifierProgram, checkImages, type ProgramContext } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import { objectives } from '../objectives/objectives.ts';
import { checkLabels } from '../optimize/optimize-input.ts';
import type { Work } from '../progress.ts';
import { createRandom } from '../random.ts';
import type { HostTensor, ResidentTensor } from '../runtime/runtime.ts';
import { rows, type Tensor, zeros } from '../tensor.ts';
import { resolveBaseline } from './baseline.ts';
import type { AttributionMethod, Explained } from './method.ts';

export interface AttributeOptions extends Work {
  /** [N, ...input shape]; images in [0, 1]. */
  images: Tensor;
  method: AttributionMethod;
  /** Class to explain, one for all or one an image. Default: the predicted class. */
  target?: number | ArrayLike<number>;
  /** Default: the class's logit. */
  of?: Explained;
  /** Of SmoothGrad's noise. Default 0. */
  seed?: number;
  /** Points differentiated in one run; default: at most 50, fewer for large images. The result does not depend on it beyond rounding. */
  batchSize?: number;
}

export interface Attribution {
  /** Same shape as the images, signed, unscaled. */
  readonly attributions: Tensor;
  readonly targets: Int32Array;
  /** The explained quantity at each image. */
  readonly output: Float32Array;
  /** Integrated gradients: the explained quantity at each image's baseline, and how far the attributions are from adding up to the difference. */
  readonly completeness?: readonly Completeness[];
}

/** Completeness axiom (Sundararajan et al. 2017, proposition 1): Σ attributions = output − output at the baseline. */
export interface Completeness {
  readonly sum: number;
  readonly difference: number;
  /** |sum − difference|. */
  readonly error: number;
  /** error / |difference|. */
  readonly relativeError: number;
}

/**
 * Attributions of images: how much each input value counts for the explained quantity.
 *
 * @throws UsageError when images, target or the method's numbers do not fit
 * @example
 * const { attributions, completeness } = await attribute(classifier, { images, method: integratedGradients({ steps: 100 }) });
 */
export async function attribute(classifier: Classifier, options: AttributeOptions): Promise<Attribution> {
  const {
    images,
    method,
    of = 'logit',
    batchSize = defaultBatchSize(classifier.inputShape),
    signal,
    onProgress,
  } = options;
  checkImages(classifier, images);
  checkBatchSize(batchSize);
  checkMethod(method, images);
  const targets = await resolveTargets(classifier, options);
  const count = images.shape[0]!;
  const points = pointsPerImage(method);
  const noisy = method.name === 'smoothgrad' && method.sigma > 0;
  const batch = Math.max(1, Math.min(batchSize, points));
  const program = await classifier.program(`mean gradient ${of} ${noisy}`, batch, (context) =>
    writeMeanGradient(context, classifier, of, noisy),
  );
  const value = await classifier.program(`value ${of}`, 1, (context) => writeValue(context, classifier, of));
  const attributions = zeros(images.shape);
  const output = new Float32Array(count);
  const completeness: Completeness[] = [];
  for (let i = 0; i < count; i++) {
    signal?.throwIfAborted();
    const image = rows(images, i, i + 1);
    const target = feed(oneHot([targets[i]!], classifier.classes.length));
    const path = pathOf(method, image, createRandom(options.seed ?? 0, 'smoothgrad', i));
    const mean = await meanGradient(program, { image, target, path, points, batch });
    const factor = factorOf(method, image);
    const result = attributions.data.subarray(i * image.data.length, (i + 1) * image.data.length);
    for (let k = 0; k < result.length; k++) result[k] = mean[k]! * (factor ? factor[k]! : 1);
    output[i] = await valueAt(value, image, target);
    if (method.name === 'integrated-gradients') {
      const base = await valueAt(value, resolveBaseline(method.baseline, image), target);
      completeness.push(completenessOf(result, output[i]! - base));
    }
    onProgress?.({ stage: method.name, done: i + 1, total: count });
  }
  return { attributions, targets, output, completeness: completeness.length > 0 ? completeness : undefined };
}

/** Where the gradient is taken: origin + position · (image − origin) + noise, for each point. */
interface Path {
  /** Start of the line; the image itself when there is no line. */
  origin: Tensor;
  position(point: number): number;
  /** Adds the noise of the next point. */
  noise?: (into: Float32Array) => void;
}

function pointsPerImage(method: AttributionMethod): number {
  if (method.name === 'smoothgrad') return method.samples;
  return method.name === 'integrated-gradients' ? method.steps : 1;
}

function pathOf(method: AttributionMethod, image: Tensor, random: ReturnType<typeof createRandom>): Path {
  if (method.name === 'integrated-gradients') {
    return { origin: resolveBaseline(method.baseline, image), position: (point) => (point + 0.5) / method.steps };
  }
  if (method.name === 'smoothgrad' && method.sigma > 0) {
    const range = image.data.reduce((a, b) => Math.max(a, b)) - image.data.reduce((a, b) => Math.min(a, b));
    return { origin: image, position: () => 1, noise: (into) => random.fillNormal(into, 0, method.sigma * range) };
  }
  return { origin: image, position: () => 1 };
}

/** What the mean gradient is multiplied by, elementwise. */
function factorOf(method: AttributionMethod, image: Tensor): Float32Array | undefined {
  if (method.name === 'gradient-times-input') return image.data;
  if (method.name !== 'integrated-gradients') return undefined;
  const baseline = resolveBaseline(method.baseline, image).data;
  return image.data.map((x, k) => x - baseline[k]!);
}

/** Sums gradients over the points of a path, a batch at a time; the sum stays with the engine. */
async function meanGradient(
  program: ClassifierProgram,
  {
    image,
    target,
    path,
    points,
    batch,
  }: { image: Tensor; target: HostTensor; path: Path; points: number; batch: number },
): Promise<Float32Array> {
  const size = image.data.length;
  let total: HostTensor | ResidentTensor = feed(zeros(image.shape));
  try {
    for (let start = 0; start < points; start += batch) {
      const used = Math.min(batch, points - start);
      // Unused places repeat the last point: elsewhere, such as at the baseline, a gradient may not be finite.
      const positions = Float32Array.from({ length: batch }, (_, i) => path.position(start + Math.min(i, used - 1)));
      const weights = Float32Array.from({ length: batch }, (_, i) => (i < used ? 1 / points : 0));
      const noise = path.noise && zeros([batch, ...image.shape.slice(1)]);
      for (let i = 0; noise && i < used; i++) path.noise?.(noise.data.subarray(i * size, (i + 1) * size));
      const { kept } = await program.run(
        {
          image: feed(image),
          origin: feed(path.origin),
          target,
          position: { dtype: 'float32', shape: [batch], data: positions },
          weight: { dtype: 'float32', shape: [batch], data: weights },
          ...(noise && { noise: feed(noise) }),
          total,
        },
        { fetch: [], keep: ['total_next'] },
      );
      if ('resident' in total) total.release();
      total = kept.total_next!;
    }
    return 'resident' in total ? floats(await total.read()) : floats(total);
  } finally {
    if ('resident' in total) total.release();
  }
}

function writeMeanGradient(
  { g, batch, model }: ProgramContext,
  classifier: Classifier,
  of: Explained,
  noisy: boolean,
): void {
  const shape = [1, ...classifier.inputShape];
  const spread = [batch, ...classifier.inputShape.map(() => 1)];
  const image = g.input('image', 'float32', shape);
  const origin = g.input('origin', 'float32', shape);
  const target = g.input('target', 'float32', [1, classifier.classes.length]);
  const position = g.reshape(g.input('position', 'float32', [batch]), spread);
  const weight = g.reshape(g.input('weight', 'float32', [batch]), spread);
  const total = g.input('total', 'float32', shape);
  const onLine = g.add(origin, g.mul(position, g.sub(image, origin)));
  const x = noisy ? g.add(onLine, g.input('noise', 'float32', [batch, ...classifier.inputShape])) : onLine;
  const value = explained(g, model(x).logits, target, of);
  const [dx] = gradient(g, { of: value, wrt: [x] });
  g.output(g.add(total, g.reduceSum(g.mul(dx!, weight), [0], true)), 'total_next');
}

function writeValue({ g, model }: ProgramContext, classifier: Classifier, of: Explained): void {
  const x = g.input('x', 'float32', [1, ...classifier.inputShape]);
  const target = g.input('target', 'float32', [1, classifier.classes.length]);
  g.output(explained(g, model(x).logits, target, of), 'value');
}

const OBJECTIVE = { logit: 'logit', probability: 'probability', loss: 'cross-entropy' } as const;

function explained(g: GraphBuilder, logits: Value, target: Value, of: Explained): Value {
  return objectives[OBJECTIVE[of]].build(g, logits, target);
}

async function valueAt(program: ClassifierProgram, x: Tensor, target: HostTensor): Promise<number> {
  const { fetched } = await program.run({ x: feed(x), target });
  return floats(fetched.value!)[0]!;
}

function completenessOf(attribution: Float32Array, difference: number): Completeness {
  const sum = attribution.reduce((a, b) => a + b, 0);
  const error = Math.abs(sum - difference);
  return { sum, difference, error, relativeError: error === 0 ? 0 : error / Math.abs(difference) };
}

async function resolveTargets(
  classifier: Classifier,
  { images, target, signal }: AttributeOptions,
): Promise<Int32Array> {
  if (target === undefined) return predict(classifier, images, { signal });
  const count = images.shape[0]!;
  const targets = typeof target === 'number' ? new Array<number>(count).fill(target) : target;
  checkLabels(classifier, targets, count);
  return Int32Array.from(targets);
}

function checkMethod(method: AttributionMethod, images: Tensor): void {
  if (method.name === 'smoothgrad') {
    checkCount('samples', method.samples);
    if (!(method.sigma >= 0 && method.sigma < Number.POSITIVE_INFINITY))
      throw new UsageError(`sigma must be 0 or more, not ${method.sigma}`);
  }
  if (method.name === 'integrated-gradients') {
    checkCount('steps', method.steps);
    resolveBaseline(method.baseline, rows(images, 0, 1));
  }
}

function checkCount(what: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new UsageError(`${what} must be a whole number, 1 or more, not ${value}`);
}
