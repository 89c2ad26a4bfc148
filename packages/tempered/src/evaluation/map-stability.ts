/** @file How far interpretation maps keep their order under an attack on them. */
import { type MapAttack, perturbMaps } from '../attacks/explanations/map-attack.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Classifier } from '../models/classifier.ts';
import type { Work } from '../progress.ts';
import { kendallTau, topIntersection } from '../rank-correlation.ts';
import { estimateMean, type MeanEstimate } from '../statistics.ts';
import { rows } from '../tensor.ts';
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
  readonly kendallTau: MeanEstimate | null;
  /** Share of the k largest positions that are the same, mean over the kept images. */
  readonly topIntersection: MeanEstimate | null;
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
  const imageNumbers = Uint32Array.from({ length: dataset.count }, (_, i) => i);
  const { images, labels } = dataset.batch(imageNumbers);
  const results: MapStability[] = [];
  for (const [index, epsilon] of epsilons.entries()) {
    const { before, after, natural, predictions } = await perturbMaps(classifier, attack, {
      ...{ images, labels, epsilon, imageNumbers, seed, batchSize, signal },
      onProgress:
        onProgress &&
        ((progress) =>
          onProgress({
            ...progress,
            stage: `${attack.name} at ${Number(epsilon.toPrecision(3))}`,
            done: index * progress.total + progress.done,
            total: epsilons.length * progress.total,
          })),
    });
    const kept = [...imageNumbers].filter((i) => natural[i] === predictions[i]);
    const row = (maps: typeof before, i: number) => rows(maps, i, i + 1).data;
    const mean = (of: (i: number) => number) => {
      const values = kept.map(of).filter((value) => !Number.isNaN(value));
      return values.length === 0 ? null : estimateMean(values);
    };
    results.push({
      epsilon,
      kept: kept.length,
      count: dataset.count,
      kendallTau: mean((i) => kendallTau(row(before, i), row(after, i))),
      topIntersection: mean((i) => topIntersection(row(before, i), row(after, i), k)),
    });
  }
  return results;
}
