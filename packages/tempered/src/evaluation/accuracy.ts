/** @file Natural and robust accuracy with exact intervals. */
import type { Attack } from '../attacks/attack.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Classifier } from '../models/classifier.ts';
import type { Work } from '../progress.ts';
import { clopperPearson } from '../statistics.ts';
import { fitDataset } from './fit.ts';
import { attackEach, type Judged, judgeEach, type LedgerAtEpsilon, type LedgerOptions } from './ledger.ts';

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
  return topAccuracy(await judgeEach(classifier, fitDataset(classifier.description, dataset), work));
}

export interface AccuracyUnderAttackOptions extends Omit<LedgerOptions, 'attacks'> {
  attack: Attack;
  onEpsilon?: (result: AccuracyAtEpsilon) => void;
}

/**
 * Share of images that are classified right and stay so under the attack, at each ε. `attackEach` tells what becomes of
 * each image, and takes several attacks.
 *
 * @throws UsageError for a negative ε or a data set that does not fit
 */
export async function accuracyUnderAttack(
  classifier: Classifier,
  { attack, onEpsilon, ...options }: AccuracyUnderAttackOptions,
): Promise<AccuracyAtEpsilon[]> {
  const { underAttack } = await attackEach(classifier, {
    ...options,
    attacks: { [attack.name]: attack },
    onEpsilon: onEpsilon && ((result) => onEpsilon(accuracyOf(result))),
  });
  return underAttack.map(accuracyOf);
}

/** The accuracy that a ledger shows at one ε. */
export const accuracyOf = (found: LedgerAtEpsilon): AccuracyAtEpsilon => ({
  epsilon: found.epsilon,
  zeroGradients: found.zeroGradients,
  ...topAccuracy(found),
});

/** Share of images whose class is among the `k` that score highest; default: the first alone. */
export const topAccuracy = ({ rank }: Judged, k = 1): Proportion =>
  proportion(rank.filter((above) => above < k).length, rank.length);

/** Share of images classified right, class by class; entry c is null where no image is of class c. */
export function accuracyByClass(
  { rank }: Judged,
  labels: readonly number[],
  classes: number,
): readonly (Proportion | null)[] {
  return Array.from({ length: classes }, (_, c) => {
    const own = rank.filter((_, i) => labels[i] === c);
    return own.length === 0 ? null : topAccuracy({ predictions: [], rank: own });
  });
}
