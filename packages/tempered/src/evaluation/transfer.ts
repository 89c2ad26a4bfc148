/** @file How well adversarial examples of one model fool another. */
import type { Attack } from '../attacks/attack.ts';
import type { Dataset } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import type { Classifier } from '../models/classifier.ts';
import { type Proportion, topAccuracy } from './accuracy.ts';
import { checkSameClassNumbers } from './fit.ts';
import { attackEach, type LedgerOptions } from './ledger.ts';

export interface TransferOptions extends Omit<LedgerOptions, 'attacks' | 'epsilons' | 'surrogate' | 'dataset'> {
  dataset: Dataset;
  attack: Attack;
  /** Radius in pixel units. */
  epsilon: number;
}

/**
 * Accuracy of each model (column) under the attack made on each model (row): on the diagonal the white-box accuracy,
 * beside it that under transfer. Every column counts all images; those that a model gets wrong without attack are wrong.
 *
 * @throws UsageError for no model, a negative ε, a data set that does not fit a model, or models that number the classes
 *   differently
 */
export async function transferMatrix(
  classifiers: readonly Classifier[],
  { attack, epsilon, onProgress, remember = (_, compute) => compute(), ...options }: TransferOptions,
): Promise<Proportion[][]> {
  if (classifiers.length === 0) throw new UsageError('a transfer matrix needs models');
  checkSameClassNumbers(classifiers, options.dataset);
  const total = classifiers.length ** 2;
  const matrix: Proportion[][] = [];
  for (const [row, surrogate] of classifiers.entries()) {
    const accuracies: Proportion[] = [];
    for (const [column, classifier] of classifiers.entries()) {
      const { underAttack } = await attackEach(classifier, {
        ...options,
        surrogate,
        attacks: { [attack.name]: attack },
        epsilons: [epsilon],
        remember: (name, compute) => remember(`transfer ${row} ${column} ${name}`, compute),
        onProgress:
          onProgress &&
          (({ done, total: of, ...progress }) =>
            onProgress({
              ...progress,
              stage: `transfer ${row + 1} → ${column + 1}`,
              done: (row * classifiers.length + column) * of + done,
              total: total * of,
            })),
      });
      accuracies.push(topAccuracy(underAttack[0]!));
    }
    matrix.push(accuracies);
  }
  return matrix;
}
