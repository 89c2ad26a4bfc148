/** @file The frame of every method that gives each feature of an image one number. */
import { createRandom, type Random } from '../../random.ts';
import { concatRows, rows, type Tensor, zeros } from '../../tensor.ts';
import { valuesAt } from '../at-images.ts';
import { type Certificate, type Completeness, completenessOf, type Explanation, type Task } from '../explanation.ts';
import { type FeatureBaseline, type FeatureMap, type Features, featureMeans, resolveFeatures } from './features.ts';
import { type Game, withGame } from './game.ts';
import { baselinesByImage, valuesAtBaselines } from './image-baselines.ts';
import { refuseLayer } from './refuse-layer.ts';
import { relativeStandardError } from './standard-error.ts';

interface ByFeatures {
  readonly name: string;
  readonly features: Features;
  readonly baseline: FeatureBaseline;
  /** Whether the numbers should add up to the value of the image minus that of the baseline. */
  readonly complete: boolean;
}

/** What a method found about one image. */
export interface Solution {
  /** One number a feature. */
  readonly values: ArrayLike<number>;
  /** Of each number, where it is an estimate. */
  readonly standardErrors?: ArrayLike<number>;
  /** Share of the variance that a fitted model explains. */
  readonly fit?: number;
}

/**
 * Explains image by image: each element gets the number of its feature, whole, as in captum. The certificate's sums are
 * over features. Where no feature tells channels apart, attributions have one channel.
 */
export async function explainByFeatures(
  task: Task,
  { name, features, baseline, complete }: ByFeatures,
  solve: (game: Game, random: Random) => Promise<Solution>,
): Promise<Explanation> {
  refuseLayer(task, name);
  const { images, seed, imageNumbers, onProgress } = task;
  const count = images.shape[0]!;
  const maps = Array.from({ length: count }, (_, i) => resolveFeatures(features, rows(images, i, i + 1), i, count));
  const base = baselinesFor(task, baseline, maps);
  const output = await valuesAt(task);
  const baseOutput = await base.values();
  const attributions = zeros([count, ...maps[0]!.shape]);
  const completeness: Completeness[] = [];
  const standardError: number[] = [];
  const fit: number[] = [];
  for (const [i, map] of maps.entries()) {
    const options = {
      place: i,
      baselines: base.ofImage(i),
      features: map,
      all: output[i]!,
      none: baseOutput[i]!,
      onValues: (done: number, total: number) =>
        onProgress?.({ stage: name, done: i, total: count, detail: `${done} of ${total} masks` }),
    };
    const solution = await withGame(task, options, (game) => solve(game, createRandom(seed, name, imageNumbers[i]!)));
    const values: Tensor = { shape: [1, map.count], data: Float32Array.from(solution.values) };
    attributions.data.set(
      Float32Array.from(map.of, (feature) => values.data[feature]!),
      i * map.of.length,
    );
    if (complete) completeness.push(...completenessOf(values, [output[i]! - baseOutput[i]!]));
    if (solution.standardErrors) standardError.push(relativeStandardError(solution.standardErrors, values.data));
    if (solution.fit !== undefined) fit.push(solution.fit);
    onProgress?.({ stage: name, done: i + 1, total: count });
  }
  const certificate: Certificate = {
    ...(completeness.length > 0 && { completeness }),
    ...(standardError.length > 0 && { standardError }),
    ...(fit.length > 0 && { fit }),
  };
  return { attributions, output, baseOutput, ...(Object.keys(certificate).length > 0 && { certificate }) };
}

/** The baselines of each image, and what is explained there. */
function baselinesFor(
  task: Task,
  baseline: FeatureBaseline,
  maps: readonly FeatureMap[],
): { ofImage(row: number): Tensor[]; values(): Promise<Float32Array> } {
  if (baseline !== 'feature-mean')
    return { ofImage: baselinesByImage(task, baseline), values: () => valuesAtBaselines(task, baseline) };
  const means = concatRows(maps.map((map, i) => featureMeans(rows(task.images, i, i + 1), map)));
  return { ofImage: (row) => [rows(means, row, row + 1)], values: () => valuesAt(task, means) };
}
