/** @file Images, perturbations and attributions as pictures. Pure functions that run anywhere. */

import { sizeOf, type Tensor, zeros } from '../tensor.ts';
import { type Bitmap, createBitmap } from './bitmap.ts';
import { type Colormap, colorOf, DIVERGING, SEQUENTIAL } from './colormap.ts';
import { percentile } from './percentile.ts';

/** One picture's planes: C arrays of H × W values. */
interface Planes {
  readonly width: number;
  readonly height: number;
  readonly channels: readonly Float32Array[];
}

function planesOf({ shape, data }: Tensor, index: number): Planes {
  const [count, depth, height, width] = shape.length === 3 ? [1, ...shape] : shape;
  if (count === undefined || depth === undefined || height === undefined || width === undefined || shape.length > 4)
    throw new RangeError(`A picture needs a tensor of shape [N, C, H, W] or [C, H, W], not [${shape.join(', ')}].`);
  if (!Number.isInteger(index) || index < 0 || index >= count)
    throw new RangeError(`There is no image ${index} among ${count}.`);
  const size = height * width;
  const channels = Array.from({ length: depth }, (_, channel) => {
    const start = (index * depth + channel) * size;
    return data.subarray(start, start + size);
  });
  return { width, height, channels };
}

function colorPlanes({ channels }: Planes): readonly [Float32Array, Float32Array, Float32Array] {
  const [first, second, third] = channels;
  if (first && channels.length === 1) return [first, first, first];
  if (first && second && third && channels.length === 3) return [first, second, third];
  throw new RangeError(`A picture needs 1 or 3 channels, not ${channels.length}.`);
}

function paint(width: number, height: number, color: (pixel: number) => readonly [number, number, number]): Bitmap {
  const bitmap = createBitmap(width, height, [0, 0, 0, 255]);
  for (let pixel = 0; pixel < width * height; pixel++) bitmap.data.set(color(pixel), 4 * pixel);
  return bitmap;
}

/**
 * An image as it is: [N, C, H, W] or [C, H, W] with 1 or 3 channels in [0, 1]; values outside are cut off.
 *
 * @param index which image of the batch
 * @throws RangeError for other shapes or an index out of range
 */
export function renderImage(image: Tensor, { index = 0 }: { index?: number } = {}): Bitmap {
  const planes = planesOf(image, index);
  const [red, green, blue] = colorPlanes(planes);
  return paint(planes.width, planes.height, (pixel) => [255 * red[pixel]!, 255 * green[pixel]!, 255 * blue[pixel]!]);
}

/**
 * What was added to an image, around mid-grey: 0.5 + amplify · (perturbed − image), cut off at [0, 1].
 *
 * @param amplify default 10
 * @throws RangeError when the shapes differ
 */
export function renderPerturbation(
  image: Tensor,
  perturbed: Tensor,
  { amplify = 10, index = 0 }: { amplify?: number; index?: number } = {},
): Bitmap {
  if (image.shape.join() !== perturbed.shape.join())
    throw new RangeError(`Shapes differ: [${image.shape.join(', ')}] and [${perturbed.shape.join(', ')}].`);
  const planes = planesOf(image, index);
  const before = colorPlanes(planes);
  const after = colorPlanes(planesOf(perturbed, index));
  const shade = (channel: 0 | 1 | 2, pixel: number) =>
    255 * (0.5 + amplify * (after[channel][pixel]! - before[channel][pixel]!));
  return paint(planes.width, planes.height, (pixel) => [shade(0, pixel), shade(1, pixel), shade(2, pixel)]);
}

export interface AttributionOptions {
  /** Which image of the batch. Default 0. */
  index?: number;
  /** The magnitude that takes the strongest colour is this percentile of |a|. Default 99; use 99.9 for sparse maps. */
  percentile?: number;
  /** A magnitude of one's own instead of the percentile, to share one scale between pictures. */
  clip?: number;
  /** `signed` sums channels; `magnitude` sums their absolute values. Default `signed`. */
  kind?: 'signed' | 'magnitude';
}

/** A picture of an attribution together with the figures that make it readable; print them beside it. */
export interface AttributionPicture {
  readonly bitmap: Bitmap;
  /** The value that has the strongest colour; 0 when the attribution is zero everywhere. */
  readonly clip: number;
  /** Positive mass as a share of all mass, after the sum over channels; NaN when the attribution is zero everywhere. */
  readonly positiveShare: number;
}

interface ScaledAttribution {
  readonly width: number;
  readonly height: number;
  /** In [-1, 1], or [0, 1] for magnitudes. */
  readonly values: Float64Array;
  readonly map: Colormap;
  readonly clip: number;
  readonly positiveShare: number;
}

function scaleAttribution(attribution: Tensor, options: AttributionOptions): ScaledAttribution {
  const { index = 0, percentile: rank = 99, kind = 'signed' } = options;
  const { width, height, channels } = planesOf(attribution, index);
  const values = new Float64Array(width * height);
  for (const channel of channels)
    for (let i = 0; i < values.length; i++) values[i]! += kind === 'signed' ? channel[i]! : Math.abs(channel[i]!);
  const magnitudes = values.map(Math.abs);
  const highest = magnitudes.reduce((a, b) => Math.max(a, b), 0);
  // A map with fewer non-zero pixels than the percentile leaves out would otherwise be clipped at zero.
  const clip = options.clip ?? (percentile(magnitudes, rank) || highest);
  const mass = magnitudes.reduce((sum, value) => sum + value, 0);
  const positive = values.reduce((sum, value) => sum + Math.max(value, 0), 0);
  const scaled = values.map((value) => (clip > 0 ? Math.min(1, Math.max(-1, value / clip)) : 0));
  const map = kind === 'signed' ? DIVERGING : SEQUENTIAL;
  return { width, height, values: scaled, map, clip, positiveShare: mass > 0 ? positive / mass : Number.NaN };
}

/**
 * An attribution [N, C, H, W] or [C, H, W] as a picture: channels summed, clipped at a percentile of |a|,
 * orange-red for evidence for the output that was explained, blue for evidence against it.
 *
 * @example const { bitmap, clip } = renderAttribution(gradient, { percentile: 99 })
 */
export function renderAttribution(attribution: Tensor, options: AttributionOptions = {}): AttributionPicture {
  const { width, height, values, map, clip, positiveShare } = scaleAttribution(attribution, options);
  return { bitmap: paint(width, height, (pixel) => colorOf(map, values[pixel]!)), clip, positiveShare };
}

/** Attributions with one channel, the sum over theirs: what is drawn. Other than [N, C, H, W] become a row of values. */
export function sumChannels({ shape, data }: Tensor): Tensor {
  const [count = 0, ...rest] = shape;
  const [channels, height, width] = rest.length === 3 ? (rest as [number, number, number]) : [1, 1, sizeOf(rest)];
  const result = zeros([count, 1, height, width]);
  const area = height * width;
  for (let n = 0; n < count; n++)
    for (let i = 0; i < channels * area; i++) result.data[n * area + (i % area)]! += data[n * channels * area + i]!;
  return result;
}

/**
 * The figures of `renderAttribution` without the picture: to find a scale that several pictures can share.
 *
 * @example const clip = Math.max(...maps.map((map) => attributionScale(map).clip))
 */
export function attributionScale(
  attribution: Tensor,
  options: AttributionOptions = {},
): Omit<AttributionPicture, 'bitmap'> {
  const { clip, positiveShare } = scaleAttribution(attribution, options);
  return { clip, positiveShare };
}

/** Maps in single precision that differ by less, as a share of their scale, are equal. */
const ROUNDING = 1e-6;

/**
 * What sets two maps of an image apart as they are drawn: the second minus the first, channels summed, each over the
 * value of its strongest colour, so that maps of networks with very different slopes can be compared.
 *
 * @returns [1, 1, H, W], in [−2, 2]
 * @throws RangeError when the sizes differ
 */
export function attributionDifference(
  first: Tensor,
  second: Tensor,
  options: { index?: number; clips: readonly [number, number]; kind?: AttributionOptions['kind'] },
): Tensor {
  const { clips, ...rest } = options;
  const [a, b] = [
    scaleAttribution(first, { ...rest, clip: clips[0] }),
    scaleAttribution(second, { ...rest, clip: clips[1] }),
  ];
  if (a.width !== b.width || a.height !== b.height)
    throw new RangeError(`The maps are ${a.width} × ${a.height} and ${b.width} × ${b.height} pixels.`);
  const data = Float32Array.from(b.values, (value, i) => {
    const difference = value - a.values[i]!;
    return Math.abs(difference) < ROUNDING ? 0 : difference;
  });
  return { shape: [1, 1, a.height, a.width], data };
}

/** The colours of a map from its lower end to its upper one, for colour bars. */
export function renderColorbar(
  map: Colormap,
  { width = 240, height = 1 }: { width?: number; height?: number } = {},
): Bitmap {
  const value = (x: number) => map.from + ((map.to - map.from) * x) / Math.max(1, width - 1);
  return paint(width, height, (pixel) => colorOf(map, value(pixel % width)));
}

/**
 * The attribution over a pale grey copy of the image, as opaque as it is strong. Magnitudes take the warm colours of
 * signed maps: the brightest of their own would vanish on grey.
 *
 * @param image [N, C, H, W] or [C, H, W], of the same height and width
 * @throws RangeError when the sizes differ
 */
export function renderOverlay(
  image: Tensor,
  attribution: Tensor,
  options: AttributionOptions = {},
): AttributionPicture {
  const { width, height, values, clip, positiveShare } = scaleAttribution(attribution, options);
  const planes = planesOf(image, options.index ?? 0);
  if (planes.width !== width || planes.height !== height)
    throw new RangeError(
      `The image is ${planes.width} × ${planes.height}, its attribution ${width} × ${height} pixels.`,
    );
  const [red, green, blue] = colorPlanes(planes);
  const bitmap = paint(width, height, (pixel) => {
    const luma = 0.299 * red[pixel]! + 0.587 * green[pixel]! + 0.114 * blue[pixel]!;
    // Pale grey to white: enough to recognise the object, and the darkest colours stand out even where it is black.
    const grey = 255 * (0.68 + 0.32 * luma);
    const alpha = Math.abs(values[pixel]!);
    const [r, g, b] = colorOf(DIVERGING, Math.sign(values[pixel]!) || 1);
    return [grey + alpha * (r - grey), grey + alpha * (g - grey), grey + alpha * (b - grey)];
  });
  return { bitmap, clip, positiveShare };
}
