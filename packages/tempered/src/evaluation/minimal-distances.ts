/** @file How far images are from the nearest misclassified one. */
import type { Attack } from '../attacks/attack.ts';
import { isMinimal, normOf, perturb } from '../attacks/attack.ts';
import type { Dataset } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import type { Classifier } from '../models/classifier.ts';
import type { Norm } from '../optimize/ball.ts';
import type { Work } from '../progress.ts';
import { inBlocks } from './blocks.ts';
import { fitDataset } from './fit.ts';

export interface MinimalDistances {
  readonly norm: Norm | undefined;
  /** Smallest perturbation found for each image, in pixel units: 0 where it is wrong already, Infinity (in JSON null) where none was found. */
  readonly distances: readonly number[];
  /** Of the images that are right without attack: how many, and for how many something was found. */
  readonly attacked: number;
  readonly found: number;
  /** By nearest rank over the attacked images; Infinity (in JSON null) where nothing was found for so many, NaN (null) when none was attacked. */
  readonly quantiles: Readonly<Record<'p5' | 'p25' | 'median' | 'p75' | 'p95', number>>;
}

/**
 * Distribution of the smallest adversarial perturbations that an attack finds: an upper bound on the true distances.
 *
 * @param options.attack one that looks for the smallest perturbation (DeepFool, FAB, `minimalEpsilon(pgd())` ...)
 * @throws UsageError for another attack, or a data set that does not fit
 */
export async function minimalDistances(
  classifier: Classifier,
  options: Work & { dataset: Dataset; attack: Attack; seed?: number; batchSize?: number },
): Promise<MinimalDistances> {
  const { attack, seed, batchSize, signal, onProgress } = options;
  if (!isMinimal(attack))
    throw new UsageError(
      `'${attack.name}' searches inside a given ball: for smallest perturbations wrap it in minimalEpsilon, or take DeepFool, FAB, DDN or FMN`,
    );
  const dataset = fitDataset(classifier.description, options.dataset);
  const distances: number[] = [];
  for (const { imageNumbers, before, total, ...part } of inBlocks(classifier, { dataset, batchSize })) {
    const { distance, success } = await perturb(classifier, attack, {
      ...{ ...part, imageNumbers, seed, batchSize, signal },
      onProgress:
        onProgress &&
        ((progress) =>
          onProgress({
            ...progress,
            done: before + Math.floor((imageNumbers.length * progress.done) / progress.total),
            total,
          })),
    });
    distances.push(...Array.from(distance, (d, i) => (success[i] === 1 ? d : Number.POSITIVE_INFINITY)));
  }
  return { norm: normOf(attack), distances, ...summary(distances) };
}

function summary(distances: readonly number[]): Pick<MinimalDistances, 'attacked' | 'found' | 'quantiles'> {
  const attacked = distances.filter((d) => d > 0);
  const sorted = [...attacked].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
  return {
    attacked: attacked.length,
    found: attacked.filter(Number.isFinite).length,
    quantiles: { p5: at(0.05), p25: at(0.25), median: at(0.5), p75: at(0.75), p95: at(0.95) },
  };
}
