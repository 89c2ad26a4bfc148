/** @file How far explanations keep their order when the image is attacked, whatever the method and the attack. */
import { type Attack, perturb } from '../../attacks/attack.ts';
import { pgd } from '../../attacks/pgd.ts';
import { type AttributionMethod, attribute } from '../../attribution/attribute.ts';
import type { Explained } from '../../attribution/explained.ts';
import type { Dataset } from '../../data/dataset.ts';
import { formatEpsilon } from '../../epsilon.ts';
import { UsageError } from '../../errors.ts';
import type { Classifier } from '../../models/classifier.ts';
import { predict } from '../../models/predict.ts';
import { checkEpsilon } from '../../optimize/optimize-input.ts';
import type { Work } from '../../progress.ts';
import { inBlocks } from '../blocks.ts';
import { fitDataset } from '../fit.ts';
import {
  type MapSimilarity,
  type MapSimilarityOptions,
  type MeanSimilarity,
  mapSimilarity,
  meanSimilarity,
  type SimilarityName,
  similarityBy,
  similarityInWords,
} from './map-similarity.ts';
import type { MeasureKind } from './measure.ts';

export interface AttackStabilityOptions extends Work, MapSimilarityOptions {
  dataset: Dataset;
  /** Of the prediction; for attacks on the maps themselves there is `mapStability`. */
  attack: Attack;
  /** Radii in pixel units. */
  epsilons: readonly number[];
  methods: Readonly<Record<string, AttributionMethod>>;
  /** Default: the logit. */
  of?: Explained;
  /** Of the attack, and of methods that are random: both maps of an image get the same numbers. Default 0. */
  seed?: number;
  batchSize?: number;
}

export interface AttackStability {
  readonly method: string;
  /** In pixel units. */
  readonly epsilon: number;
  readonly count: number;
  /** Of the maps of an image's true class before and after the attack. */
  readonly similarity: MeanSimilarity;
  /** Images whose predicted class the attack left as it was. */
  readonly kept: number;
  /** Over these images alone: their maps changed although the prediction did not. */
  readonly similarityWherePredictionKept: MeanSimilarity;
}

/**
 * Attacks every image at each ε, and compares the maps of its true class before and after: Kendall's τ-b, Spearman's ρ,
 * top-k intersection and SSIM (the measures of Ghorbani et al. 2019, "Interpretation of Neural Networks is Fragile").
 * Robust networks should keep their maps, as they keep their predictions (Boopathy et al. 2020).
 *
 * @returns one entry a method and ε
 * @throws UsageError when the data set does not fit, or without a method
 * @example
 * await attackStability(classifier, { dataset, attack: pgd({ steps: 40 }), epsilons: [8 / 255], methods: { gradient: plainGradient() } });
 */
export async function attackStability(
  classifier: Classifier,
  { attack, epsilons, methods, of, k, seed = 0, batchSize, signal, onProgress, ...options }: AttackStabilityOptions,
): Promise<AttackStability[]> {
  const names = Object.keys(methods);
  if (names.length === 0) throw new UsageError('the stability of explanations needs a method');
  const dataset = fitDataset(classifier.description, options.dataset);
  const results: AttackStability[] = [];
  for (const [index, epsilon] of epsilons.entries()) {
    const found = Object.fromEntries(names.map((name) => [name, [] as MapSimilarity[]]));
    const kept: number[] = [];
    for (const { images, labels, imageNumbers, before, total } of inBlocks(classifier, { dataset, batchSize })) {
      const work = { imageNumbers, batchSize, signal };
      const told = (stage: string, share: number) =>
        onProgress?.({
          stage: `${attack.name} at ${formatEpsilon(epsilon)}`,
          done: index * total + before + Math.floor(imageNumbers.length * share),
          total: epsilons.length * total,
          detail: stage,
        });
      told(attack.name, 0);
      const { adversarial } = await perturb(classifier, attack, { ...work, images, labels, epsilon, seed });
      const natural = await predict(classifier, images, work);
      const attacked = await predict(classifier, adversarial, work);
      for (const i of natural.keys()) if (natural[i] === attacked[i]) kept.push(before + i);
      for (const [m, name] of names.entries()) {
        told(name, (m + 1) / (names.length + 1));
        const task = { ...work, method: methods[name]!, of, seed, target: labels };
        const clean = await attribute(classifier, { ...task, images });
        const after = await attribute(classifier, { ...task, images: adversarial });
        found[name]!.push(mapSimilarity(clean.attributions, after.attributions, { k }));
      }
      told(names.at(-1)!, 1);
    }
    for (const name of names) {
      const similarity = joined(found[name]!);
      results.push({
        method: name,
        epsilon,
        count: dataset.count,
        similarity: meanSimilarity(similarity),
        kept: kept.length,
        similarityWherePredictionKept: meanSimilarity(similarity, kept),
      });
    }
  }
  return results;
}

function joined(parts: readonly MapSimilarity[]): MapSimilarity {
  const all = (name: keyof MapSimilarity) => Float64Array.from(parts.flatMap((part) => [...part[name]]));
  return {
    kendallTau: all('kendallTau'),
    spearman: all('spearman'),
    spearmanAbsolute: all('spearmanAbsolute'),
    topIntersection: all('topIntersection'),
    ssim: all('ssim'),
  };
}

/** How alike maps are before and after PGD on the prediction, as a measure of explanations. */
export interface AttackStabilityMeasure {
  readonly name: 'attack-stability';
  /** In pixel units. */
  readonly epsilon: number;
  readonly steps: number;
  readonly norm: 'linf' | 'l2';
  readonly by: SimilarityName;
}

export interface AttackStabilityMeasureOptions {
  /** Default 8/255. */
  epsilon?: number;
  /** Of PGD. Default 10. */
  steps?: number;
  /** Default: linf. */
  norm?: 'linf' | 'l2';
  /** Default: Spearman's ρ. */
  by?: SimilarityName;
}

/**
 * Similarity of the maps of an image's explained class before and after an attack on the prediction (Ghorbani et al. 2019).
 * High is steady, not right: a map that never changes has the best score of all.
 *
 * @throws UsageError for a negative ε
 */
export function stabilityUnderAttack({
  epsilon = 8 / 255,
  steps = 10,
  norm = 'linf',
  by = 'spearman',
}: AttackStabilityMeasureOptions = {}): AttackStabilityMeasure {
  checkEpsilon(epsilon);
  return { name: 'attack-stability', epsilon, steps, norm, by };
}

export const attackStabilityKind: MeasureKind<AttackStabilityMeasure> = {
  summary: 'how alike the map is before and after an attack on the prediction',
  async score({ classifier, images, targets, attributions, explain, ...task }, { epsilon, steps, norm, by }) {
    const { seed, imageNumbers, batchSize, signal, onProgress } = task;
    const work = { images, labels: targets, epsilon, seed, imageNumbers, batchSize, signal, onProgress };
    const { adversarial } = await perturb(classifier, pgd({ norm, steps }), work);
    return similarityBy(by, attributions, await explain!(adversarial));
  },
  better: () => 'higher',
  over: 'mean',
  needs: ['explain'],
  acrossModels: () => true,
  control: () => 'stability',
  protocol: ({ epsilon, steps, norm, by }) =>
    `${similarityInWords(by)} between the maps of the explained class before and after PGD on it (${norm}, ε = ${formatEpsilon(epsilon)}, ${steps} steps; Ghorbani et al. 2019)`,
};
