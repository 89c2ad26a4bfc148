/** @file Which input values belong together: the players of Shapley values, the regressors of LIME. */
import { UsageError } from '../../errors.ts';
import { sizeOf, type Tensor } from '../../tensor.ts';
import type { Baseline } from '../baseline.ts';
import { checkCount } from '../check-count.ts';
import { type Segmentation, superpixels } from './superpixels.ts';

/**
 * How the values of an input are cut into features: superpixels (at most so many), squares of so many pixels, single
 * pixels, channels, single elements, or a mask with the number of each value's feature.
 */
export type Features =
  | { readonly superpixels: number; readonly compactness?: number }
  | { readonly squares: number }
  | 'pixels'
  | 'channels'
  | 'elements'
  | FeatureMask;

/** Whole numbers; equal ones are one feature. One mask for all images, or one for each along a first axis. */
export interface FeatureMask {
  /** As the input's, without its first axes or with 1 for those that do not matter: [H, W] is for all channels. */
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/** The features of one image. */
export interface FeatureMap {
  readonly count: number;
  /** The input's; [1, H, W] where features do not tell channels apart. */
  readonly shape: readonly number[];
  /** Feature of each element of that shape, 0 to count − 1. */
  readonly of: Int32Array;
}

/** What takes the place of a removed feature: a baseline, or each feature's own mean in each channel. */
export type FeatureBaseline = Baseline | 'feature-mean';

/**
 * The features of one image.
 *
 * @param image [1, ...input shape]
 * @param place the image's place among `total`, for masks that differ
 * @throws UsageError when the features do not fit the input
 */
export function resolveFeatures(features: Features, image: Tensor, place: number, total: number): FeatureMap {
  const shape = image.shape.slice(1);
  if (features === 'elements') return { count: image.data.length, shape, of: upTo(image.data.length) };
  if (typeof features === 'object' && 'data' in features) return fromMask(features, shape, place, total);
  const [, height = 0, width = 0] = shape;
  if (shape.length !== 3)
    throw new UsageError(
      `values of shape [${shape.join(', ')}] have no pixels or channels: their features are 'elements' or a mask`,
    );
  if (features === 'channels') {
    const area = height * width;
    return {
      count: shape[0]!,
      shape,
      of: Int32Array.from({ length: image.data.length }, (_, i) => Math.floor(i / area)),
    };
  }
  const places = [1, height, width];
  if (features === 'pixels') return { count: height * width, shape: places, of: upTo(height * width) };
  const { count, labels } = cut(features, image);
  return { count, shape: places, of: labels };
}

const upTo = (count: number): Int32Array => Int32Array.from({ length: count }, (_, i) => i);

function cut(features: Exclude<Features, string | FeatureMask>, image: Tensor): Segmentation {
  if ('superpixels' in features) {
    const { superpixels: count, compactness } = features;
    return superpixels(image, { count, ...(compactness !== undefined && { compactness }) });
  }
  checkCount('the side of squares', features.squares);
  const [, , height = 0, width = 0] = image.shape;
  const rows = Math.ceil(height / features.squares);
  const columns = Math.ceil(width / features.squares);
  const labels = Int32Array.from({ length: height * width }, (_, p) => {
    const y = Math.floor(p / width);
    return Math.floor(y / features.squares) * columns + Math.floor((p - y * width) / features.squares);
  });
  return { count: rows * columns, labels };
}

/** The mask of one image, repeated over the axes that it does not have. */
function fromMask({ shape, data }: FeatureMask, input: readonly number[], place: number, total: number): FeatureMap {
  const own = shape.length > input.length ? shape.slice(1) : shape;
  const count = shape.length > input.length ? shape[0]! : 1;
  const lengths = [...new Array<number>(Math.max(0, input.length - own.length)).fill(1), ...own];
  const fits =
    own.length > 0 && lengths.length === input.length && lengths.every((n, axis) => n === 1 || n === input[axis]);
  if (!fits || (count !== 1 && count !== total) || data.length !== sizeOf(shape))
    throw new UsageError(
      `a feature mask of shape [${shape.join(', ')}] with ${data.length} values does not fit ${total} inputs of shape [${input.join(', ')}]`,
    );
  const result = input.map((length, axis) => (input.length === 3 && axis === 0 ? lengths[0]! : length));
  const labels = new Float64Array(sizeOf(result));
  const start = count === 1 ? 0 : place * sizeOf(own);
  for (let i = 0; i < labels.length; i++) {
    let rest = i;
    let stride = 1;
    let at = start;
    for (let axis = result.length - 1; axis >= 0; axis--) {
      const position = rest % result[axis]!;
      rest = (rest - position) / result[axis]!;
      if (lengths[axis] !== 1) at += position * stride;
      stride *= lengths[axis]!;
    }
    labels[i] = data[at]!;
  }
  return { ...renumbered(labels), shape: result };
}

function renumbered(labels: Float64Array): Pick<FeatureMap, 'count' | 'of'> {
  const wrong = labels.find((label) => !Number.isInteger(label));
  if (wrong !== undefined) throw new UsageError(`a feature mask has whole numbers, not ${wrong}`);
  const distinct = [...new Set(labels)].sort((a, b) => a - b);
  const numbers = new Map(distinct.map((label, number) => [label, number]));
  return { count: distinct.length, of: Int32Array.from(labels, (label) => numbers.get(label)!) };
}

/**
 * One image [1, ...] with each feature's mean, in each channel, in the place of its values.
 *
 * @throws UsageError when every feature is one value, whose mean would hide nothing
 */
export function featureMeans(image: Tensor, { count, of }: FeatureMap): Tensor {
  if (count === of.length)
    throw new UsageError('the mean of a feature that is one value hides nothing: take another baseline, such as black');
  // A vector has no channels.
  const channels = image.shape.length > 2 ? image.shape[1]! : 1;
  const area = image.data.length / channels;
  const sums = new Float64Array(count * channels);
  const sizes = new Int32Array(count * channels);
  const group = (i: number) => of[i % of.length]! * channels + Math.floor(i / area);
  image.data.forEach((value, i) => {
    sums[group(i)]! += value;
    sizes[group(i)]! += 1;
  });
  return { shape: image.shape, data: image.data.map((_, i) => sums[group(i)]! / sizes[group(i)]!) };
}
