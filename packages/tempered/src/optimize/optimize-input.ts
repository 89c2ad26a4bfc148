/** @file Projected-gradient optimisation of images: the loop under attacks and synthesis. */
import { UsageError } from '../errors.ts';
import { type Chunk, chunks, defaultBatchSize, feed, floats, oneHot, padRows } from '../models/batching.ts';
import { type Classifier, checkClasses, checkImages } from '../models/classifier.ts';
import type { ObjectiveName } from '../objectives/objectives.ts';
import type { Work } from '../progress.ts';
import { createRandom, type Random } from '../random.ts';
import type { HostTensor, ResidentTensor } from '../runtime/runtime.ts';
import { sizeOf, type Tensor, zeros } from '../tensor.ts';
import { balls, type Norm } from './ball.ts';
import type { Direction } from './direction.ts';
import type { Goal } from './judgement.ts';
import type { ProjectionName } from './project.ts';
import { copyRows, type Rows, runStaged } from './staged.ts';
import { compileSteps, type Keep, type Momentum, nothingYet } from './steps.ts';

export interface OptimizeInputOptions extends Work {
  /** Where the ball is centred: [N, C, H, W] in [0, 1]. */
  images: Tensor;
  /** The class of each image that the objective speaks of: the true one, or a target. */
  labels: ArrayLike<number>;
  /** Move away from that class or toward it. */
  goal: Goal;
  objective?: ObjectiveName;
  norm: Norm;
  /** Radius of the ball, in pixel units: one for all images or one each. */
  epsilon: number | ArrayLike<number>;
  /** Length of a step under the norm, in pixel units: one for all images or one each. */
  stepSize: number | ArrayLike<number>;
  steps: number;
  /** Start from a random point of the ball (true) or of another region instead of its centre. Default false. */
  randomStart?: boolean | StartRegion;
  /** Counts repetitions on the same images: each starts from other random points. Default 0. */
  restart?: number;
  /** Default `'steepest'`. */
  direction?: Direction;
  /** Default `'exact'`. */
  projection?: ProjectionName;
  momentum?: Momentum;
  /** Which iterate is returned. Default `'last'`. With `'first'`, images leave the batches as soon as they succeed. */
  keep?: Keep;
  seed?: number;
  /** Number of each image in its data set: random starts depend on (seed, image number, restart) alone. Default 0, 1, 2 ... */
  imageNumbers?: ArrayLike<number>;
  batchSize?: number;
  /** Called before every step with the objective of each image of the chunk; `read` brings the iterate back. */
  onStep?: (step: OptimizationStep) => void | Promise<void>;
}

export interface OptimizationStep {
  readonly step: number;
  readonly chunk: Chunk;
  readonly objective: Float32Array;
  read(): Promise<Tensor>;
}

export interface OptimizedInput {
  /** Same shape as the input images, inside ball and box. */
  readonly images: Tensor;
  /** Objective at the returned images, [N]. */
  readonly objective: Float32Array;
  /** Whether the prediction has left the class (goal `away`) or reached it (`toward`), [N]. */
  readonly success: Uint8Array;
  readonly logits: Tensor;
  /**
   * How many images had a gradient of exactly 0 at the start: those do not move. Many of them mean
   * that the objective is saturated; the margin is not.
   */
  readonly zeroGradients: number;
  /** Forward passes and gradients spent, counted per image. */
  readonly forwards: number;
  readonly gradients: number;
}

/**
 * Moves images along the gradient of an objective inside a norm ball and [0, 1] (projected gradient descent; Madry et
 * al. 2018, §2.1). The whole step is one compiled graph; images stay with the engine between steps.
 *
 * @throws UsageError for images or labels that do not fit, pixels outside [0, 1], a negative ε or step, or a number of steps or restarts that is not whole
 * @example
 * const { images: adversarial } = await optimizeInput(classifier, {
 *   images, labels, goal: 'away', norm: 'linf', epsilon: 8 / 255, stepSize: 2 / 255, steps: 20, randomStart: true,
 * });
 */
export async function optimizeInput(classifier: Classifier, options: OptimizeInputOptions): Promise<OptimizedInput> {
  const { images, labels, steps, keep = 'last', restart = 0, onStep } = options;
  checkImages(classifier, images);
  checkPixels(images, options.imageNumbers);
  checkOptions(classifier, options);
  const count = images.shape[0]!;
  const batchSize = options.batchSize ?? defaultBatchSize(classifier.description);
  const epsilon = perImageNumbers(options.epsilon, count);
  const target = oneHot(labels, classifier.classes.length);
  const x = options.randomStart
    ? randomStart(images, { start: 0, end: count }, restart, { ...options, epsilon })
    : images;
  let zeroGradients = 0;
  const { state, taken } = await runStaged(classifier, {
    program: async (batch) => (await compileSteps(classifier, options, batch)).step,
    state: { x, ...nothingYet(x, options) },
    constants: { origin: images, target, epsilon, step_size: perImageNumbers(options.stepSize, count) },
    ...{ count, steps, batchSize, signal: options.signal, onProgress: options.onProgress },
    done: keep === 'first' && !onStep ? 'worst_success' : undefined,
    countsRows: keep === 'batch',
    fetch: (step) => [...(onStep ? ['objective'] : []), ...(step === 0 ? ['gradient_size'] : [])],
    onStep: async ({ step, chunk, fetched, before }) => {
      if (step === 0) zeroGradients += countZeros(floats(fetched.gradient_size!).subarray(0, chunk.end - chunk.start));
      if (onStep) await reportStep(options, step, chunk, fetched.objective!, before.x!);
    },
  });
  const result = await judge(classifier, options, { ...state, target }, batchSize);
  // The last iterate has to be judged before the logits of the one that counts are computed.
  const judging = keep === 'last' || keep === 'batch' ? 1 : 2;
  return { ...result, zeroGradients, forwards: taken + count * judging, gradients: taken };
}

/** Objective, success and logits of the iterates that count. */
async function judge(classifier: Classifier, options: OptimizeInputOptions, state: Rows, batchSize: number) {
  const { shape } = state.x!;
  const count = shape[0]!;
  const result = {
    images: zeros(shape),
    objective: new Float32Array(count),
    success: new Uint8Array(count),
    logits: zeros([count, classifier.classes.length]),
  };
  const plan = chunks(count, batchSize, classifier.description);
  const { final } = await compileSteps(classifier, options, plan.batch);
  const names = Object.keys(state).filter((name) => final.inputNames.includes(name));
  for (const chunk of plan.chunks) {
    options.signal?.throwIfAborted();
    const feeds = names.map((name) => [name, feed(padRows(state[name]!, chunk, plan.batch))]);
    const { fetched } = await final.run(Object.fromEntries(feeds));
    copyRows(fetched.result!, chunk, result.images.data);
    copyRows(fetched.result_value!, chunk, result.objective);
    copyRows(fetched.result_success!, chunk, result.success);
    copyRows(fetched.result_logits!, chunk, result.logits.data);
  }
  return result;
}

const countZeros = (sizes: Float32Array): number => sizes.filter((size) => size === 0).length;

/** Numbers of images as a column: one for all, or one each. */
const perImageNumbers = (numbers: number | ArrayLike<number>, count: number): Tensor => ({
  shape: [count],
  data: typeof numbers === 'number' ? new Float32Array(count).fill(numbers) : Float32Array.from(numbers),
});

/**
 * Where random starts lie around an image, before they are clipped to [0, 1]:
 * - `'ball'`: uniform in the ball
 * - `'box'`: each pixel uniform within ±ε, whatever the norm; `{ box: w }`: within ±w
 * - `'sphere'`: at distance ε, in l2 in a uniformly random direction
 * - `{ signs: q }`: each pixel at ±q ε
 */
export type StartRegion = 'ball' | 'box' | 'sphere' | { readonly box: number } | { readonly signs: number };

/** The rows of a chunk moved to random points around them, each from its own stream. */
export function randomStart(
  origin: Tensor,
  chunk: Chunk,
  restart: number,
  {
    norm,
    epsilon,
    seed = 0,
    imageNumbers,
    randomStart: region = true,
  }: Pick<OptimizeInputOptions, 'norm' | 'seed' | 'imageNumbers' | 'randomStart'> & { epsilon: Tensor },
): Tensor {
  const start = { shape: origin.shape, data: origin.data.slice() };
  const size = sizeOf(origin.shape.slice(1));
  const delta = new Float32Array(size);
  for (let row = 0; row < chunk.end - chunk.start; row++) {
    const index = chunk.start + row;
    const random = createRandom(seed, 'start', imageNumbers ? imageNumbers[index]! : index, restart);
    fillStart(delta, norm, region === true ? 'ball' : region, epsilon.data[index]!, random);
    const base = row * size;
    for (let i = 0; i < size; i++) {
      start.data[base + i] = Math.min(1, Math.max(0, start.data[base + i]! + delta[i]!));
    }
  }
  return start;
}

function fillStart(
  delta: Float32Array,
  norm: Norm,
  region: StartRegion | false,
  epsilon: number,
  random: Random,
): void {
  if (region === false) delta.fill(0);
  else if (region === 'ball') balls[norm].randomPoint(delta, epsilon, random);
  else if (region === 'box') random.fillUniform(delta, -epsilon, epsilon);
  else if (region !== 'sphere' && 'box' in region) random.fillUniform(delta, -region.box, region.box);
  else if (region !== 'sphere')
    for (let i = 0; i < delta.length; i++) delta[i] = (random.bits() % 2 === 0 ? 1 : -1) * region.signs * epsilon;
  else {
    if (norm === 'linf') random.fillUniform(delta, -1, 1);
    else random.fillNormal(delta, 0, 1);
    const length = balls[norm].distance(delta, new Float32Array(delta.length));
    for (let i = 0; i < delta.length; i++) delta[i] = (delta[i]! * epsilon) / length;
  }
}

async function reportStep(
  { onStep }: OptimizeInputOptions,
  step: number,
  chunk: Chunk,
  objective: HostTensor,
  x: HostTensor | ResidentTensor,
): Promise<void> {
  const used = chunk.end - chunk.start;
  await onStep?.({
    step,
    chunk,
    objective: floats(objective).subarray(0, used),
    read: async () => {
      const data = floats('resident' in x ? await x.read() : x);
      const shape = [used, ...x.shape.slice(1)];
      return { shape, data: data.slice(0, sizeOf(shape)) };
    },
  });
}

function checkOptions(
  classifier: Classifier,
  { images, labels, epsilon, stepSize, steps, imageNumbers }: OptimizeInputOptions,
): void {
  checkClasses(classifier.description);
  for (const [what, numbers] of Object.entries({ epsilon, 'the step size': stepSize })) {
    const list = typeof numbers === 'number' ? [numbers] : Array.from(numbers);
    const bad = list.find((value) => !isRadius(value));
    if (bad !== undefined) throw new UsageError(`${what} must be 0 or more, not ${bad}`);
    if (typeof numbers !== 'number' && list.length !== images.shape[0])
      throw new UsageError(`${images.shape[0]} images were given with ${list.length} values of ${what}`);
  }
  if (!Number.isInteger(steps) || steps < 0)
    throw new UsageError(`the number of steps must be a whole number, 0 or more, not ${steps}`);
  checkLabels(classifier, labels, images.shape[0]!);
  if (imageNumbers !== undefined && imageNumbers.length !== labels.length)
    throw new UsageError(`${labels.length} images were given with ${imageNumbers.length} numbers`);
}

/** Throws a UsageError unless every value of the images lies in [0, 1], where ε is measured. */
export function checkPixels(images: Tensor, imageNumbers?: ArrayLike<number>): void {
  const at = images.data.findIndex((value) => !(value >= 0 && value <= 1));
  if (at < 0) return;
  const image = Math.floor(at / sizeOf(images.shape.slice(1)));
  throw new UsageError(
    `image ${imageNumbers?.[image] ?? image} has the value ${images.data[at]}: attacks work on pixels in [0, 1], with the preprocessing inside the model (mean and std)`,
  );
}

/** Throws a UsageError unless a radius is a number of 0 or more. */
export function checkEpsilon(epsilon: number): void {
  if (!isRadius(epsilon)) throw new UsageError(`epsilon must be 0 or more, not ${epsilon}`);
}

const isRadius = (value: number): boolean => value >= 0 && value < Number.POSITIVE_INFINITY;

/** Throws a UsageError unless there are `count` labels, each a class of the classifier. */
export function checkLabels(classifier: Classifier, labels: ArrayLike<number>, count = labels.length): void {
  if (labels.length !== count) throw new UsageError(`${count} images were given with ${labels.length} labels`);
  const classes = classifier.classes.length;
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new UsageError(
        `class ${label} is out of range: '${classifier.description.name}' has classes 0 to ${classes - 1}`,
      );
    }
  }
}
