/** @file How near the discrepancy of the nearest adversarial images comes to its bound. */
import { type Attack, isMinimal, perturb } from '../attacks/attack.ts';
import type { MapKind } from '../attacks/explanations/maps.ts';
import { minimalEpsilon } from '../attacks/minimal-epsilon.ts';
import { pgd } from '../attacks/pgd.ts';
import type { Dataset } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import type { Classifier } from '../models/classifier.ts';
import type { Work } from '../progress.ts';
import { spearman } from '../rank-correlation.ts';
import { inBlocks } from './blocks.ts';
import { fitDataset } from './fit.ts';
import { interpretationDiscrepancy } from './interpretation-discrepancy.ts';
import { type MeanOverImages, meanOverImages } from './map-stability.ts';

export interface BoundTightnessOptions extends Work {
  dataset: Dataset;
  /**
   * One that looks for the smallest perturbation. Default: the smallest ε, to 0.1 %, at which 10 sign steps of 0.2 ε
   * from the image itself cross the decision boundary.
   */
  attack?: Attack;
  /** Default `'cam'`. */
  map?: MapKind;
  /** Default 0. */
  seed?: number;
  batchSize?: number;
}

/** An image and the nearest adversarial one that was found. */
export interface TightnessPoint {
  /** Number of the image in the data set. */
  readonly image: number;
  /** Length of the perturbation under the attack's norm, in pixel units. */
  readonly distance: number;
  /** ½ (f_y(x) − f_y'(x)). */
  readonly bound: number;
  /** D₁, D₂,ℓ1 and D̃, see `InterpretationDiscrepancy`. */
  readonly oneClass: number;
  readonly twoClass: number;
  readonly allClasses: number;
}

export interface BoundTightness {
  readonly count: number;
  /** Images that are classified right, for which the attack searched. */
  readonly attacked: number;
  /** Those it found something for. */
  readonly points: readonly TightnessPoint[];
  /** Points whose D₂,ℓ1 is below the bound by more than rounding, by image number: none for class activation maps. */
  readonly violations: readonly number[];
  /** Bound over D₂,ℓ1, in [0, 1] without violations; 1 is tight. Mean over the points, null where there is none. */
  readonly tightness: MeanOverImages | null;
  /** Spearman's ρ of bound and D₂,ℓ1; NaN (in JSON null) for fewer than two points. */
  readonly correlation: number;
}

/**
 * Bound tightness of proposition 1, at minimal perturbations. Boopathy et al. 2020, after their code: its
 * search stops at a margin of 0.1 and takes 10 rounds, ours at the boundary itself and as exactly as the attack says;
 * its steps are clip(1000 g, −1, 1), the sign but for gradients below 1e-3.
 *
 * @throws UsageError for an attack inside a given ball, a data set that does not fit, or a model without such maps
 * @example
 * const { tightness, violations } = await boundTightness(classifier, { dataset });
 */
export async function boundTightness(
  classifier: Classifier,
  { attack = nearest(), map, seed = 0, batchSize, signal, onProgress, ...options }: BoundTightnessOptions,
): Promise<BoundTightness> {
  if (!isMinimal(attack))
    throw new UsageError(
      `'${attack.name}' searches inside a given ball: for bound tightness wrap it in minimalEpsilon`,
    );
  const dataset = fitDataset(classifier.description, options.dataset);
  const points: TightnessPoint[] = [];
  const violations: number[] = [];
  let attacked = 0;
  for (const { imageNumbers, images, labels, before, total } of inBlocks(classifier, { dataset, batchSize })) {
    const { adversarial, distance, success } = await perturb(classifier, attack, {
      ...{ images, labels, imageNumbers, seed, batchSize, signal },
      onProgress:
        onProgress &&
        ((progress) =>
          onProgress({
            ...progress,
            stage: 'bound tightness',
            done: before + Math.floor((imageNumbers.length * progress.done) / progress.total),
            total,
          })),
    });
    const found = await interpretationDiscrepancy(classifier, { images, adversarial, labels, map, batchSize, signal });
    for (const [i, image] of imageNumbers.entries()) {
      // What is wrong without any perturbation has none that could be minimal.
      if (success[i] === 1 && distance[i] === 0) continue;
      attacked++;
      if (success[i] !== 1) continue;
      points.push({
        image,
        distance: distance[i]!,
        bound: found.bound[i]!,
        oneClass: found.oneClass[i]!,
        twoClass: found.twoClass[i]!,
        allClasses: found.allClasses[i]!,
      });
      if (found.violations.includes(i)) violations.push(image);
    }
  }
  return {
    count: dataset.count,
    attacked,
    points,
    violations,
    tightness: meanOverImages(points.map(({ bound, twoClass }) => bound / twoClass)),
    correlation: spearman(
      points.map(({ bound }) => bound),
      points.map(({ twoClass }) => twoClass),
    ),
  };
}

const nearest = (): Attack =>
  minimalEpsilon(
    pgd({
      loss: 'margin',
      steps: 10,
      stepSize: { relative: 0.2 },
      direction: 'sign',
      randomStart: false,
      keep: 'first',
    }),
  );
