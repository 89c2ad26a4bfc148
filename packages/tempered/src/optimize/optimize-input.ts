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
import { releaseAll } from './iterate.ts';
import { compileSteps, noWorstYet, takeSteps } from './steps.ts';

export interface OptimizeInputOptions extends Work {
  /** Where the ball is centred: [N, C, H, W] in [0, 1]. */
  images: Tensor;
  /** The class of each image that the objective speaks of: the true one, or a target. */
  labels: ArrayLike<number>;
  /** Move away from that class or toward it. */
  goal: 'away' | 'toward';
  objective?: ObjectiveName;
  norm: Norm;
  /** Radius of the ball, in pixel units: one for all images or one each. */
  epsilon: number | ArrayLike<number>;
  /** Length of a step under the norm, in pixel units: one for all images or one each. */
  stepSize: number | ArrayLike<number>;
  steps: number;
  /** Start from a random point of the ball instead of its centre. Default false. */
  randomStart?: boolean;
  /** Counts repetitions on the same images: each starts from other random points. Default 0. */
  restart?: number;
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
  const { images, labels, steps, keep, restart = 0, signal, onProgress } = options;
  checkImages(classifier, images);
  checkPixels(images, options.imageNumbers);
  checkOptions(classifier, options);
  const count = images.shape[0]!;
  const epsilon = perImageNumbers(options.epsilon, count);
  const stepSize = perImageNumbers(options.stepSize, count);
  const plan = chunks(count, options.batchSize ?? defaultBatchSize(classifier.description), classifier.description);
  const result = {
    images: zeros(images.shape),
    objective: new Float32Array(count),
    success: new Uint8Array(count),
    logits: zeros([count, classifier.classes.length]),
  };
  const programs = await compileSteps(classifier, options, plan.batch);
  let zeroGradients = 0;
  const total = plan.chunks.length * steps;
  let done = 0;
  for (const chunk of plan.chunks) {
    const padded = padRows(images, chunk, plan.batch);
    const target = feed(oneHot(padLabels(labels, chunk, plan.batch), classifier.classes.length));
    const first = options.randomStart ? randomStart(padded, chunk, restart, { ...options, epsilon }) : padded;
    const { origin, start } = await uploadAll(classifier.runtime, { origin: feed(padded), start: feed(first) });
    try {
      const { x, ...worst } = await takeSteps(programs.step, {
        start,
        origin,
        target,
        epsilon: feed(padRows(epsilon, chunk, plan.batch)),
        stepSize: feed(padRows(stepSize, chunk, plan.batch)),
        steps,
        worst: keep === 'worst' ? noWorstYet(first) : undefined,
        signal,
        onStep: options.onStep && ((step, at, objective) => reportStep(options, step, chunk, objective, at)),
        onFirst: (size) => {
          zeroGradients += floats(size)
            .subarray(0, chunk.end - chunk.start)
            .filter((value) => value === 0).length;
        },
        onDone: () => onProgress?.({ stage: 'optimise', done: ++done, total }),
      });
      try {
        const { fetched } = await programs.final.run({ x, target, ...worst });
        copyRows(fetched, chunk, {
          result: result.images.data,
          result_value: result.objective,
          result_success: result.success,
          result_logits: result.logits.data,
        });
      } finally {
        releaseAll({ x, ...worst });
      }
    } finally {
      origin.release();
    }
  }
  // The last iterate has to be judged before the logits of the worst one are computed.
  const judging = keep === 'worst' ? 2 : 1;
  return { ...result, zeroGradients, forwards: count * (steps + judging), gradients: count * steps };
}

/** Numbers of images as a column: one for all, or one each. */
const perImageNumbers = (numbers: number | ArrayLike<number>, count: number): Tensor => ({
  shape: [count],
  data: typeof numbers === 'number' ? new Float32Array(count).fill(numbers) : Float32Array.from(numbers),
});

/** Copies the rows of a chunk from what a program fetched to where they belong, each output to the array of its name. */
function copyRows(
  fetched: Readonly<Record<string, HostTensor>>,
  { start, end }: Chunk,
  into: Readonly<Record<string, Float32Array | Uint8Array>>,
): void {
  for (const [name, array] of Object.entries(into)) {
    const data = floats(fetched[name]!);
    const size = data.length / fetched[name]!.shape[0]!;
    array.set(data.subarray(0, (end - start) * size), start * size);
  }
}

/** The rows of a chunk moved to random points of their balls, each from its own stream. */
export function randomStart(
  origin: Tensor,
  chunk: Chunk,
  restart: number,
  {
    norm,
    epsilon,
    seed = 0,
    imageNumbers,
  }: Pick<OptimizeInputOptions, 'norm' | 'seed' | 'imageNumbers'> & { epsilon: Tensor },
): Tensor {
  const start = { shape: origin.shape, data: origin.data.slice() };
  const size = sizeOf(origin.shape.slice(1));
  const delta = new Float32Array(size);
  for (let row = 0; row < chunk.end - chunk.start; row++) {
    const index = chunk.start + row;
    const random = createRandom(seed, 'start', imageNumbers ? imageNumbers[index]! : index, restart);
    balls[norm].randomPoint(delta, epsilon.data[index]!, random);
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
  chunk: Chunk,
  objective: HostTensor,
  x: ResidentTensor,
): Promise<void> {
  const used = chunk.end - chunk.start;
  await onStep?.({
    step,
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
