/** @file Natural and robust accuracy with exact intervals. */
import type { Dataset } from '../data/dataset.ts';
import type { Classifier } from '../models/classifier.ts';
import type { Work } from '../progress.ts';
import { clopperPearson } from '../statistics.ts';
import { fitDataset } from './fit.ts';
import { attackEach, type LedgerAtEpsilon, type LedgerOptions, predictEach } from './ledger.ts';

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
  /** Attacked images whose gradient was exactly 0 where the attack started: they may not be robust, only out of its reach. */
  readonly zeroGradients: number;
}

export function proportion(correct: number, count: number): Proportion {
  const { lower, upper } = clopperPearson(correct, count);
  return { correct, count, accuracy: correct / count, lower, upper };
}

/** All images of a data set at once, for small ones. */
export function allOf(dataset: Dataset): ReturnType<Dataset['batch']> {
  return dataset.batch(Uint32Array.from({ length: dataset.count }, (_, i) => i));
}

/**
 * Share of images classified right.
 *
 * @throws UsageError for a data set that does not fit
 */
export async function naturalAccuracy(
  classifier: Classifier,
  dataset: Dataset,
  work: Work & { batchSize?: number } = {},
): Promise<Proportion> {
  const { labels, predictions } = await predictEach(classifier, fitDataset(classifier.description, dataset), work);
  return proportion(countEqual(predictions, labels), dataset.count);
}

export interface AccuracyUnderAttackOptions extends LedgerOptions {
  onEpsilon?: (result: AccuracyAtEpsilon) => void;
}

/**
 * Share of images that are classified right and stay so under the attack, at each ε. `attackEach` tells what becomes of
 * each image.
 *
 * @throws UsageError for a negative ε or a data set that does not fit
 */
export async function accuracyUnderAttack(
  classifier: Classifier,
  { onEpsilon, ...options }: AccuracyUnderAttackOptions,
): Promise<AccuracyAtEpsilon[]> {
  const { labels, underAttack } = await attackEach(classifier, {
    ...options,
    onEpsilon: onEpsilon && ((result, labels) => onEpsilon(accuracyOf(result, labels))),
  });
  return underAttack.map((result) => accuracyOf(result, labels));
}

/** The accuracy that a ledger shows at one ε. */
export const accuracyOf = (
  { epsilon, predictions, zeroGradients }: LedgerAtEpsilon,
  labels: Int32Array,
): AccuracyAtEpsilon => ({
  epsilon,
  zeroGradients,
  ...proportion(countEqual(predictions, labels), labels.length),
});

const countEqual = (predictions: Int32Array, labels: Int32Array): number =>
  predictions.filter((k, i) => k === labels[i]).length;
