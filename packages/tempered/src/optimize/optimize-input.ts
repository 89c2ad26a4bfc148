/** @file Projected-gradient optimisation of images: the loop under attacks and synthesis. */
import { UsageError } from '../errors.ts';
import { type Chunk, chunks, defaultBatchSize, feed, floats, oneHot, padLabels, padRows } from '../models/batching.ts';
import { type Classifier, checkClasses, checkImages } from '../models/classifier.ts';
import type { ObjectiveName } from '../objectives/objectives.ts';
import type { Work } from '../progress.ts';
import { createRandom } from '../random.ts';
import type { HostTensor, ResidentTensor } from '../runtime/runtime.ts';
import { uploadAll } from '../runtime/upload-all.ts';
import { sizeOf, type Tensor, zeros } from '../tensor.ts';
import { balls, type Norm } from './ball.ts';
import { compileSteps, noWorstYet, release, rises, takeSteps } from './steps.ts';

export interface OptimizeInputOptions extends Work {
  /** Where the ball is centred: [N, C, H, W] in [0, 1]. */
  images: Tensor;
  /** The class of each image that the objective speaks of: the true one, or a target. */
  labels: ArrayLike<number>;
  /** Move away from that class or toward it. */
  goal: 'away' | 'toward';
  objective?: ObjectiveName;
  norm: Norm;
  /** Radius of the ball, in pixel units. */
  epsilon: number;
  /** Length of a step under the norm, in pixel units. */
  stepSize: number;
  steps: number;
  /** Start from a random point of the ball instead of its centre. Default false. */
  randomStart?: boolean;
  /** Independent random starts; the worst result of each image is kept. Without random starts all would be the same: one is run. Default 1. */
  restarts?: number;
  /** Return the last iterate, or the one seen that is worst for the classifier: first by success, then by objective. Default `'last'`. */
  keep?: 'last' | 'worst';
  seed?: number;
  /** Number of each image in its data set: random starts depend on (seed, image number, restart) alone. Default 0, 1, 2 ... */
  imageNumbers?: ArrayLike<number>;
  batchSize?: number;
  /** Called before every step with the objective of each image of the chunk; `read` brings the iterate back. */
  onStep?: (step: OptimizationStep) => void | Promise<void>;
}

export interface OptimizationStep {
  readonly step: number;
  readonly restart: number;
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
   * How many images had a gradient of exactly 0 at the start of every restart: those do not move. Many of them mean
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
  const { images, labels, epsilon, stepSize, steps, keep, signal, onProgress } = options;
  checkImages(classifier, images);
  checkPixels(images, options.imageNumbers);
  checkOptions(classifier, options);
  const restarts = options.randomStart ? (options.restarts ?? 1) : 1;
  const count = images.shape[0]!;
  const plan = chunks(count, options.batchSize ?? defaultBatchSize(classifier.description), classifier.description);
  const result = {
    images: zeros(images.shape),
    objective: new Float32Array(count),
    success: new Uint8Array(count),
    logits: zeros([count, classifier.classes.length]),
  };
  const programs = await compileSteps(classifier, options, plan.batch);
  const stuck = new Uint8Array(count).fill(steps === 0 ? 0 : 1);
  const total = plan.chunks.length * restarts * steps;
  let done = 0;
  for (const chunk of plan.chunks) {
    const padded = padRows(images, chunk, plan.batch);
    const target = feed(oneHot(padLabels(labels, chunk, plan.batch), classifier.classes.length));
    for (let restart = 0; restart < restarts; restart++) {
      const first = options.randomStart ? randomStart(padded, chunk, restart, options) : padded;
      const { origin, start } = await uploadAll(classifier.runtime, { origin: feed(padded), start: feed(first) });
      try {
        const { x, worst } = await takeSteps(programs.step, {
          start,
          origin,
          target,
          epsilon,
          stepSize,
          steps,
          worst: keep === 'worst' ? noWorstYet(first) : undefined,
          signal,
          onStep: options.onStep && ((step, at, objective) => reportStep(options, step, restart, chunk, objective, at)),
          onFirst: (size) => {
            const sizes = floats(size);
            for (let i = chunk.start; i < chunk.end; i++) stuck[i]! &= Number(sizes[i - chunk.start] === 0);
          },
          onDone: () => onProgress?.({ stage: 'optimise', done: ++done, total }),
        });
        try {
          const final = await programs.final.run({ x, target, ...worst });
          keepWorse(result, chunk, final.fetched, restart === 0, rises(options) === options.goal);
        } finally {
          release(x, worst);
        }
      } finally {
        origin.release();
      }
    }
  }
  // The last iterate has to be judged before the logits of the worst one are computed.
  const judging = keep === 'worst' ? 2 : 1;
  return {
    ...result,
    zeroGradients: stuck.reduce((sum, flag) => sum + flag, 0),
    forwards: count * restarts * (steps + judging),
    gradients: count * restarts * steps,
  };
}

/** Copies the rows of a chunk into the result where they are worse for the classifier than what an earlier restart left there. */
function keepWorse(
  result: { images: Tensor; objective: Float32Array; success: Uint8Array; logits: Tensor },
  { start, end }: Chunk,
  fetched: Readonly<Record<string, HostTensor>>,
  first: boolean,
  largerIsWorse: boolean,
): void {
  const [images, value, success, logits] = ['result', 'result_value', 'result_success', 'result_logits'].map((name) =>
    floats(fetched[name]!),
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const size = sizeOf(result.images.shape.slice(1));
  const classes = result.logits.shape[1]!;
  for (let row = start; row < end; row++) {
    const i = row - start;
    const gain = (value[i]! - result.objective[row]!) * (largerIsWorse ? 1 : -1);
    const ahead = success[i]! - result.success[row]!;
    if (!first && (ahead < 0 || (ahead === 0 && gain <= 0))) continue;
    result.images.data.set(images.subarray(i * size, (i + 1) * size), row * size);
    result.logits.data.set(logits.subarray(i * classes, (i + 1) * classes), row * classes);
    result.objective[row] = value[i]!;
    result.success[row] = success[i]!;
  }
}

/** The rows of a chunk moved to random points of their balls, each from its own stream. */
export function randomStart(
  origin: Tensor,
  chunk: Chunk,
  restart: number,
  { norm, epsilon, seed = 0, imageNumbers }: Pick<OptimizeInputOptions, 'norm' | 'epsilon' | 'seed' | 'imageNumbers'>,
): Tensor {
  const start = { shape: origin.shape, data: origin.data.slice() };
  const size = sizeOf(origin.shape.slice(1));
  const delta = new Float32Array(size);
  for (let row = 0; row < chunk.end - chunk.start; row++) {
    const index = chunk.start + row;
    const random = createRandom(seed, 'start', imageNumbers ? imageNumbers[index]! : index, restart);
    balls[norm].randomPoint(delta, epsilon, random);
    const base = row * size;
    for (let i = 0; i < size; i++) {
      start.data[base + i] = Math.min(1, Math.max(0, start.data[base + i]! + delta[i]!));
    }
  }
  return start;
}

async function reportStep(
  { onStep }: OptimizeInputOptions,
  step: number,
  restart: number,
  chunk: Chunk,
  objective: HostTensor,
  x: ResidentTensor,
): Promise<void> {
  const used = chunk.end - chunk.start;
  await onStep?.({
    step,
    restart,
    chunk,
    objective: floats(objective).subarray(0, used),
    read: async () => {
      const data = floats(await x.read());
      const shape = [used, ...x.shape.slice(1)];
      return { shape, data: data.slice(0, sizeOf(shape)) };
    },
  });
}

function checkOptions(
  classifier: Classifier,
  { images, labels, epsilon, stepSize, steps, restarts = 1, imageNumbers }: OptimizeInputOptions,
): void {
  checkClasses(classifier.description);
  checkEpsilon(epsilon);
  if (!(stepSize >= 0 && stepSize < Number.POSITIVE_INFINITY))
    throw new UsageError(`the step size must be 0 or more, not ${stepSize}`);
  if (!Number.isInteger(steps) || steps < 0)
    throw new UsageError(`the number of steps must be a whole number, 0 or more, not ${steps}`);
  if (!Number.isInteger(restarts) || restarts < 1)
    throw new UsageError(`restarts must be a whole number, 1 or more, not ${restarts}`);
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
  if (!(epsilon >= 0 && epsilon < Number.POSITIVE_INFINITY))
    throw new UsageError(`epsilon must be 0 or more, not ${epsilon}`);
}

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
