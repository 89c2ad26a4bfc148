/** @file How far interpretation maps keep their order under an attack on them. */
import { type MapAttack, perturbMaps } from '../attacks/explanations/map-attack.ts';
import type { Dataset } from '../data/dataset.ts';
import { formatEpsilon } from '../epsilon.ts';
import type { Classifier } from '../models/classifier.ts';
import type { Work } from '../progress.ts';
import { kendallTau, topIntersection } from '../rank-correlation.ts';
import { estimateMean } from '../statistics.ts';
import { rows } from '../tensor.ts';
import { inBlocks } from './blocks.ts';
import { fitDataset } from './fit.ts';

export interface MapStabilityOptions extends Work {
  dataset: Dataset;
  attack: MapAttack;
  /** Radii in pixel units. */
  epsilons: readonly number[];
  seed?: number;
  batchSize?: number;
  /** Largest entries whose positions are compared. Default 8. */
  k?: number;
}

export interface MapStability {
  /** In pixel units. */
  readonly epsilon: number;
  /** Images whose prediction the attack left as it was: only these are compared. */
  readonly kept: number;
  readonly count: number;
  /** Kendall's τ-b between the map of the true class before and after, mean over the kept images; null where none is. */
  readonly kendallTau: MeanOverImages | null;
  /** Share of the k largest positions that are the same, mean over the kept images. */
  readonly topIntersection: MeanOverImages | null;
}

/** With the interval of the normal approximation, which a single image does not give: its spread is not known. */
export interface MeanOverImages {
  readonly mean: number;
  readonly standardError?: number;
  readonly lower?: number;
  readonly upper?: number;
}

/**
 * Attacks the maps of all images at each ε and compares them with those of the unperturbed images, as in Boopathy et al.
 * 2020, table 3: images whose prediction changed are left out.
 *
 * @throws UsageError when the data set does not fit, or the model has no such map
 */
export async function mapStability(
  classifier: Classifier,
  { attack, epsilons, seed, batchSize, k = 8, signal, onProgress, ...options }: MapStabilityOptions,
): Promise<MapStability[]> {
  const dataset = fitDataset(classifier.description, options.dataset);
  const results: MapStability[] = [];
  for (const [index, epsilon] of epsilons.entries()) {
    const [taus, shares]: [number[], number[]] = [[], []];
    for (const { imageNumbers, before: start, total, ...part } of inBlocks(classifier, { dataset, batchSize })) {
      const { before, after, natural, predictions } = await perturbMaps(classifier, attack, {
        ...{ ...part, epsilon, imageNumbers, seed, batchSize, signal },
        onProgress:
          onProgress &&
          ((progress) =>
            onProgress({
              ...progress,
              stage: `${attack.name} at ${formatEpsilon(epsilon)}`,
              done: index * total + start + Math.floor((imageNumbers.length * progress.done) / progress.total),
              total: epsilons.length * total,
            })),
      });
      const row = (maps: typeof before, i: number) => rows(maps, i, i + 1).data;
      for (const i of imageNumbers.keys()) {
        if (natural[i] !== predictions[i]) continue;
        taus.push(kendallTau(row(before, i), row(after, i)));
        shares.push(topIntersection(row(before, i), row(after, i), k));
      }
    }
    const [kendall, top] = [meanOverImages(taus), meanOverImages(shares)];
    results.push({ epsilon, kept: taus.length, count: dataset.count, kendallTau: kendall, topIntersection: top });
  }
  return results;
}

/** Over the images that have the number: maps of one value everywhere have no order, say, and give NaN. Null for none. */
export function meanOverImages(values: ArrayLike<number>): MeanOverImages | null {
  const known = Array.from(values).filter((value) => !Number.isNaN(value));
  if (known.length === 0) return null;
  return known.length === 1 ? { mean: known[0]! } : estimateMean(known);
}
