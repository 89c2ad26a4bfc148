import { UsageError } from '../errors.ts';
import { checkBatchSize, defaultBatchSize, fixedBatch } from '../models/batching.ts';
import { type Classifier, checkImages } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import { checkLabels } from '../optimize/optimize-input.ts';
import type { Work } from '../progress.ts';
import { createRandom, type Random } from '../random.ts';
import { rows, type Tensor, zeros } from '../tensor.ts';
import { gradientsAt, valuesAt } from './at-images.ts';
import { resolveBaseline } from './baseline.ts';
import { compileMeanGradient, type Path } from './mean-gradient.ts';
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
  /** Number of each image in its data set: the noise depends on (seed, image number) alone. Default 0, 1, 2 ... */
  imageNumbers?: ArrayLike<number>;
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
 * @throws UsageError when images, target or the method's numbers do not fit, or a pixel is not finite
 * @example
 * const { attributions, completeness } = await attribute(classifier, { images, method: integratedGradients({ steps: 100 }) });
 */
export async function attribute(classifier: Classifier, options: AttributeOptions): Promise<Attribution> {
  const {
    images,
    method,
    of = 'logit',
    batchSize = defaultBatchSize(classifier.description),
    signal,
    onProgress,
  } = options;
  checkImages(classifier, images);
  checkFinite(options);
  checkBatchSize(batchSize);
  checkMethod(method, images);
  const targets = await resolveTargets(classifier, options, batchSize);
  const at = { targets, of, batchSize, signal };
  if (!isAverage(method)) {
    const { values, gradients } = await gradientsAt(classifier, { ...at, images, onProgress });
    if (method.name === 'gradient-times-input') multiply(gradients.data, images.data);
    return { attributions: gradients, targets, output: values };
  }
  const attributions = await meanGradients(classifier, method, { ...options, of, batchSize }, targets);
  const output = await valuesAt(classifier, { ...at, images });
  if (method.name === 'smoothgrad') return { attributions, targets, output };
  const baselines = zeros(images.shape);
  for (const [i, image] of eachImage(images).entries())
    baselines.data.set(resolveBaseline(method.baseline, image).data, i * image.data.length);
  const differences = images.data.map((x, k) => x - baselines.data[k]!);
  multiply(attributions.data, differences);
  const atBaselines = await valuesAt(classifier, { ...at, images: baselines });
  const completeness = eachImage(attributions).map(({ data }, i) => completenessOf(data, output[i]! - atBaselines[i]!));
  return { attributions, targets, output, completeness };
}

type Average = Extract<AttributionMethod, { name: 'smoothgrad' | 'integrated-gradients' }>;

const isAverage = (method: AttributionMethod): method is Average =>
  method.name === 'smoothgrad' || method.name === 'integrated-gradients';

/** The mean gradient of each image over the points of the method. */
async function meanGradients(
  classifier: Classifier,
  method: Average,
  {
    images,
    of,
    seed = 0,
    imageNumbers,
    batchSize,
    signal,
    onProgress,
  }: AttributeOptions & { of: Explained; batchSize: number },
  targets: Int32Array,
): Promise<Tensor> {
  const points = method.name === 'smoothgrad' ? method.samples : method.steps;
  const batch = fixedBatch(classifier.description) ?? Math.min(points, batchSize);
  const noisy = method.name === 'smoothgrad' && method.sigma > 0;
  const meanGradient = await compileMeanGradient(classifier, { of, noisy, batch });
  const result = zeros(images.shape);
  for (const [i, image] of eachImage(images).entries()) {
    const path = pathOf(method, image, createRandom(seed, 'smoothgrad', imageNumbers?.[i] ?? i));
    const mean = await meanGradient(image, targets[i]!, path, {
      signal,
      onPoints: (done) => onProgress?.({ stage: method.name, done: i * points + done, total: targets.length * points }),
    });
    result.data.set(mean, i * image.data.length);
  }
  return result;
}

function pathOf(method: Average, image: Tensor, random: Random): Path {
  if (method.name === 'integrated-gradients') {
    const { steps, baseline } = method;
    return { points: steps, origin: resolveBaseline(baseline, image), position: (point) => (point + 0.5) / steps };
  }
  const { samples, sigma } = method;
  const cloud = { points: samples, origin: image, position: () => 1 };
  if (sigma === 0) return cloud;
  const range = image.data.reduce((a, b) => Math.max(a, b)) - image.data.reduce((a, b) => Math.min(a, b));
  return { ...cloud, noise: (into) => random.fillNormal(into, 0, sigma * range) };
}

const eachImage = (images: Tensor): Tensor[] =>
  Array.from({ length: images.shape[0]! }, (_, i) => rows(images, i, i + 1));

function multiply(values: Float32Array, factors: Float32Array): void {
  for (let k = 0; k < values.length; k++) values[k]! *= factors[k]!;
}

function completenessOf(attribution: Float32Array, difference: number): Completeness {
  const sum = attribution.reduce((a, b) => a + b, 0);
  const error = Math.abs(sum - difference);
  return { sum, difference, error, relativeError: error === 0 ? 0 : error / Math.abs(difference) };
}

async function resolveTargets(
  classifier: Classifier,
  { images, target, imageNumbers, signal }: AttributeOptions,
  batchSize: number,
): Promise<Int32Array> {
  if (target === undefined) return predict(classifier, images, { signal, batchSize, imageNumbers });
  const count = images.shape[0]!;
  const targets = typeof target === 'number' ? new Array<number>(count).fill(target) : target;
  checkLabels(classifier, targets, count);
  return Int32Array.from(targets);
}

/** A map of numbers that are none would look like a map without relevance. */
function checkFinite({ images, imageNumbers }: AttributeOptions): void {
  const count = images.shape[0]!;
  if (imageNumbers !== undefined && imageNumbers.length !== count)
    throw new UsageError(`${count} images were given with ${imageNumbers.length} numbers`);
  const at = images.data.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const image = Math.floor(at / (images.data.length / count));
  throw new UsageError(
    `image ${imageNumbers?.[image] ?? image} has the value ${images.data[at]}: it cannot be explained`,
  );
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
