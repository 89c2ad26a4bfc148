/** @file Watching trainings of one attack step, which may collapse within an epoch. */
import { perturb } from '../attacks/attack.ts';
import { pgd } from '../attacks/pgd.ts';
import type { Classifier } from '../models/classifier.ts';
import type { Norm } from '../optimize/ball.ts';
import { innerSteps, type TrainingMethod } from './method.ts';
import type { TrainOptions } from './options.ts';

export interface Ball {
  readonly norm: Norm;
  readonly epsilon: number;
}

/** The ball of a method that attacks with a single step; undefined for all others. */
export function singleStepBall({ inner, replays }: TrainingMethod): Ball | undefined {
  if (replays) return { norm: 'linf', epsilon: replays.epsilon };
  if (inner === undefined) return undefined;
  const { norm, steps } = innerSteps(inner);
  return steps === 1 ? { norm, epsilon: inner.epsilon } : undefined;
}

/** Enough for a fall of 20 points to stand out, few enough to cost next to nothing. */
const IMAGES = 200;

/** Accuracy under PGD of 10 steps on the first images of the training set, as they are; undefined for radius 0. */
export async function trainingRobustness(
  classifier: Classifier,
  { norm, epsilon }: Ball,
  { dataset, batchSize = 100, seed = 0, signal }: TrainOptions,
): Promise<number | undefined> {
  if (epsilon === 0) return undefined;
  const count = Math.min(dataset.count, Math.max(IMAGES, batchSize));
  const { images, labels } = dataset.batch(Uint32Array.from({ length: count }, (_, i) => i));
  const { predictions } = await perturb(classifier, pgd({ norm, steps: 10 }), {
    images,
    labels,
    epsilon,
    seed,
    signal,
    batchSize: 100,
  });
  return predictions.filter((k, i) => k === labels[i]).length / count;
}
