/** @file The frame of every method that gives each feature of an image one number. */
import { createRandom, type Random } from '../../random.ts';
import { concatRows, rows, type Tensor } from '../../tensor.ts';
import { layerValues, valuesAt } from '../at-images.ts';
import { type Certificate, type Completeness, completenessOf, type Explanation, type Task } from '../explanation.ts';
import { relativeErrors } from '../standard-error.ts';
import { taskRows } from '../task-rows.ts';
import { type FeatureBaseline, type FeatureMap, type Features, featureMeans, resolveFeatures } from './features.ts';
import { type Game, withGame } from './game.ts';
import { baselinesByImage } from './image-baselines.ts';
import type { Masked } from './masked.ts';

interface ByFeatures {
  readonly name: string;
  /** Default: at most `superpixels` of an image, the channels of a layer's feature map, single elements of anything else. */
  readonly features: Features | undefined;
  readonly superpixels: number;
  /** Default: each feature's mean or, where a feature is one value, black. */
  readonly baseline: FeatureBaseline | undefined;
  /** Whether the numbers should add up to the value of the image minus that of the baseline. */
  readonly complete: boolean;
}

/** What a method found about one image. */
export interface Solution {
  /** One number a feature. */
  readonly values: ArrayLike<number>;
  /** The square of each number's standard error, where it is an estimate. */
  readonly squaredErrors?: ArrayLike<number>;
  /** Share of the variance that a fitted model explains. */
  readonly fit?: number;
}

/**
 * Explains image by image: each element gets the number of its feature, whole, as in captum. The certificate's sums are
 * over features. Where no feature tells channels apart, attributions have one channel.
 */
export async function explainByFeatures(
  task: Task,
  { name, features, superpixels, baseline, complete }: ByFeatures,
  solve: (game: Game, random: Random) => Promise<Solution>,
): Promise<Explanation> {
  const { images, seed, imageNumbers, onProgress } = task;
  const count = images.shape[0]!;
  const output = await valuesAt(task);
  const baseOutput = new Float32Array(count);
  const baselines = baselinesByImage(task, baseline === undefined || baseline === 'feature-mean' ? 'black' : baseline);
  const parts: Tensor[] = [];
  const sizes: Tensor[] = [];
  const completeness: Completeness[] = [];
  const standardError: number[] = [];
  const fit: number[] = [];
  for (let i = 0; i < count; i++) {
    const own = await maskedOf(task, i, baselines(i));
    const map = resolveFeatures(features ?? defaultFeatures(task, own.values, superpixels), own.values, i, count);
    const hidesByMean = baseline === 'feature-mean' || (baseline === undefined && map.count < map.of.length);
    const masked = hidesByMean ? { ...own, baselines: [featureMeans(own.values, map)] } : own;
    const onValues = (done: number, total: number) =>
      onProgress?.({ stage: name, done: i, total: count, detail: `${done} of ${total} masks` });
    const solution = await withGame(task, masked, map, output[i]!, onValues, (game) => {
      baseOutput[i] = game.none;
      return solve(game, createRandom(seed, name, imageNumbers[i]!));
    });
    const values: Tensor = { shape: [1, map.count], data: Float32Array.from(solution.values) };
    const atElements = (numbers: ArrayLike<number>): Tensor => ({
      shape: [1, ...map.shape],
      data: Float32Array.from(map.of, (feature) => numbers[feature]!),
    });
    parts.push(atElements(values.data));
    sizes.push(atElements(sizesOf(map)));
    if (complete) completeness.push(...completenessOf(values, [output[i]! - baseOutput[i]!]));
    const { squaredErrors } = solution;
    if (squaredErrors) standardError.push(relativeErrors({ values: values.data, squaredErrors }));
    if (solution.fit !== undefined) fit.push(solution.fit);
    onProgress?.({ stage: name, done: i + 1, total: count });
  }
  const certificate: Certificate = {
    ...(completeness.length > 0 && { completeness }),
    ...(standardError.length > 0 && { standardError }),
    ...(fit.length > 0 && { fit }),
  };
  return {
    attributions: concatRows(parts),
    featureSizes: concatRows(sizes),
    output,
    baseOutput,
    ...(Object.keys(certificate).length > 0 && { certificate }),
  };
}

function sizesOf({ count, of }: FeatureMap): Float64Array {
  const sizes = new Float64Array(count);
  for (const feature of of) sizes[feature]! += 1;
  return sizes;
}

/** What features are cut out of: the image, or what the layer makes of the image and of its baselines. */
async function maskedOf(task: Task, row: number, baselines: readonly Tensor[]): Promise<Masked> {
  const { layer, ...own } = taskRows(task, row, row + 1);
  if (layer === undefined) return { row, values: own.images, baselines };
  const values = await layerValues(own, layer, concatRows([own.images, ...baselines]));
  return {
    row,
    values: rows(values, 0, 1),
    baselines: baselines.map((_, draw) => rows(values, draw + 1, draw + 2)),
  };
}

/** Superpixels of images, channels of feature maps, and single elements of vectors. */
function defaultFeatures({ layer }: Task, { shape }: Tensor, superpixels: number): Features {
  if (shape.length !== 4) return 'elements';
  return layer === undefined ? { superpixels } : 'channels';
}
