/** @file Natural and robust accuracy with exact intervals. */
import { type Attack, perturb } from '../attacks/attack.ts';
import type { Dataset } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import type { Classifier } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import { checkEpsilon } from '../optimize/optimize-input.ts';
import type { Work } from '../progress.ts';
import { clopperPearson } from '../statistics.ts';
import { takeRows } from '../tensor.ts';

/** A share of images with its exact (Clopper–Pearson) 95 % interval. */
export interface Proportion {
  readonly correct: number;
  readonly count: number;
  readonly accuracy: number;
  readonly lower: number;
  readonly upper: number;
}

export interface AccuracyAtEpsilon extends Proportion {
  /** In pixel units. */
  readonly epsilon: number;
}

export function proportion(correct: number, count: number): Proportion {
  const { lower, upper } = clopperPearson(correct, count);
  return { correct, count, accuracy: correct / count, lower, upper };
}

/** All images of a data set at once. */
export function allOf(dataset: Dataset): ReturnType<Dataset['batch']> {
  return dataset.batch(Uint32Array.from({ length: dataset.count }, (_, i) => i));
}

/** Share of images classified right. */
export async function naturalAccuracy(
  classifier: Classifier,
  dataset: Dataset,
  { signal, onProgress, batchSize }: Work & { batchSize?: number } = {},
): Promise<Proportion> {
  const { images, labels } = allOf(dataset);
  const predictions = await predict(classifier, images, { signal, onProgress, batchSize });
  return proportion(predictions.filter((k, i) => k === labels[i]).length, dataset.count);
}

export interface AccuracyUnderAttackOptions extends Work {
  dataset: Dataset;
  attack: Attack;
  /** Radii in pixel units. */
  epsilons: readonly number[];
  seed?: number;
  batchSize?: number;
  onEpsilon?: (result: AccuracyAtEpsilon) => void;
}

/**
 * Share of images that are classified right and stay so under the attack, at each ε. Images that are wrong already are
 * not attacked: the unperturbed image lies in every ball.
 *
 * @throws UsageError for a negative ε, or a data set that does not fit
 */
export async function accuracyUnderAttack(
  classifier: Classifier,
  options: AccuracyUnderAttackOptions,
): Promise<AccuracyAtEpsilon[]> {
  const { dataset, attack, epsilons, seed, batchSize, signal, onProgress, onEpsilon } = options;
  for (const epsilon of epsilons) checkEpsilon(epsilon);
  if (attack.targeted) throw new UsageError('accuracy under attack takes an untargeted attack');
  const { images, labels } = allOf(dataset);
  const predictions = await predict(classifier, images, { signal, batchSize });
  const right = Uint32Array.from(labels.keys()).filter((i) => predictions[i] === labels[i]);
  const attacked = {
    images: takeRows(images, right),
    labels: Int32Array.from(right, (i) => labels[i]!),
    imageNumbers: right,
  };
  const results: AccuracyAtEpsilon[] = [];
  for (const [index, epsilon] of epsilons.entries()) {
    const standing = await countStanding(epsilon, index);
    const result = { epsilon, ...proportion(standing, dataset.count) };
    results.push(result);
    onEpsilon?.(result);
  }
  return results;

  async function countStanding(epsilon: number, index: number): Promise<number> {
    if (epsilon === 0 || right.length === 0) return right.length;
    const { success } = await perturb(classifier, attack, {
      ...attacked,
      epsilon,
      seed,
      batchSize,
      signal,
      onProgress:
        onProgress &&
        ((progress) =>
          onProgress({
            ...progress,
            stage: `${attack.name} at ${epsilon}`,
            done: index * progress.total + progress.done,
            total: epsilons.length * progress.total,
          })),
    });
    return success.length - success.reduce((a, b) => a + b, 0);
  }
}
