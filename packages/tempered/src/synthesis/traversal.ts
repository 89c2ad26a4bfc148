/** @file Class traversal: an image walks toward a class while every step is watched. */
import { UsageError } from '../errors.ts';
import type { Classifier } from '../models/classifier.ts';
import { argmaxRows, predictLogits, softmaxRows } from '../models/predict.ts';
import type { Norm } from '../optimize/ball.ts';
import { optimizeInput } from '../optimize/optimize-input.ts';
import type { Work } from '../progress.ts';
import { concatRows, type Tensor } from '../tensor.ts';

export interface TraverseOptions extends Work {
  /** One image, [1, C, H, W] in [0, 1]. */
  image: Tensor;
  /** Class to walk toward. */
  target: number;
  /** Default `'l2'`. */
  norm?: Norm;
  /** Radius that the walk may not leave, in pixel units. Default: no limit but [0, 1]. */
  epsilon?: number;
  /** Default 0.1. */
  stepSize?: number;
  /** Default 100. */
  steps?: number;
  /** A frame every so many steps; default 1. The first and the last image are always frames. */
  every?: number;
}

export interface TraversalStep {
  readonly step: number;
  /** Logit and probability of the target class. */
  readonly logit: number;
  readonly probability: number;
  readonly prediction: number;
  /** Distance from the first image, in the l2 norm. */
  readonly distance: number;
}

export interface Traversal {
  /** [F, C, H, W] */
  readonly frames: Tensor;
  readonly history: readonly TraversalStep[];
}

/**
 * Ascends the target's logit from an image, and records frames: on a robust model features of the class appear, on a
 * standard one mostly noise (class manipulation, experiments of source 002).
 *
 * @example
 * const { frames, history } = await traverse(classifier, { image, target: 3, steps: 60 });
 */
export async function traverse(
  classifier: Classifier,
  { image, target, norm = 'l2', epsilon, stepSize = 0.1, steps = 100, every = 1, signal, onProgress }: TraverseOptions,
): Promise<Traversal> {
  if (!Number.isInteger(every) || every < 1)
    throw new UsageError(`a frame every ${every} steps is not possible: give a whole number, 1 or more`);
  const frames: Tensor[] = [];
  const at: number[] = [];
  const { images: last } = await optimizeInput(classifier, {
    images: image,
    labels: [target],
    goal: 'toward',
    objective: 'logit',
    norm,
    epsilon: epsilon ?? Math.sqrt(image.data.length),
    stepSize,
    steps,
    signal,
    onProgress,
    onStep: async ({ step, read }) => {
      if (step % every !== 0) return;
      frames.push(await read());
      at.push(step);
    },
  });
  frames.push(last);
  at.push(steps);
  const all = concatRows(frames);
  const logits = await predictLogits(classifier, all, { signal });
  const probabilities = softmaxRows(logits);
  const predictions = argmaxRows(logits);
  const classes = classifier.classes.length;
  const history = frames.map((frame, i) => ({
    step: at[i]!,
    logit: logits.data[i * classes + target]!,
    probability: probabilities.data[i * classes + target]!,
    prediction: predictions[i]!,
    distance: Math.sqrt(frame.data.reduce((sum, value, k) => sum + (value - image.data[k]!) ** 2, 0)),
  }));
  return { frames: all, history };
}
