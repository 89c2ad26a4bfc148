/** @file Random variations of a batch of images that leave the class alone. */
import { UsageError } from '../errors.ts';
import type { Random } from '../random.ts';
import { type Tensor, zeros } from '../tensor.ts';
import { type ColorJitter, colorFactors, jitterColors } from './color-jitter.ts';
import { rotate } from './rotate.ts';

/** In this order: crop, flip, colours, rotation, cutout. */
export interface Augmentation {
  /** Pads with this many black pixels all round, then cuts a window of the old size at a random place. Default: 0. */
  padding?: number;
  /** Mirrors every other image, left to right, at random. Default: false. */
  flip?: boolean;
  /** Changes brightness, contrast and saturation at random. */
  color?: ColorJitter;
  /** Turns by up to this many degrees either way; what comes in from outside is black. Default: 0. */
  rotation?: number;
  /** Blackens a square of this side whose centre is anywhere in the image (DeVries & Taylor 2017). Default: 0. */
  cutout?: number;
}

/**
 * A varied copy of images [N, C, H, W].
 *
 * @param random each image draws from a stream of its own, named by its number: its variation depends neither on the
 *   batch it is in nor on the other options
 * @param numbers of the images, such as their places in the data set. Default: 0 … N − 1
 * @throws UsageError for options out of range
 * @example
 * augment(images, { padding: 4, flip: true }, createRandom(seed, 'augment', epoch), indices);
 */
export function augment(
  images: Tensor,
  augmentation: Augmentation,
  random: Random,
  numbers?: ArrayLike<number>,
): Tensor {
  checkAugmentation(augmentation);
  const { padding = 0, flip = false, color = {}, rotation = 0, cutout = 0 } = augmentation;
  const [count, channels, height, width] = images.shape as [number, number, number, number];
  const result = zeros(images.shape);
  const size = channels * height * width;
  const planes: [number, number, number] = [channels, height, width];
  for (let image = 0; image < count; image++) {
    const own = random.split(numbers?.[image] ?? image);
    const source = images.data.subarray(image * size, (image + 1) * size);
    const target = result.data.subarray(image * size, (image + 1) * size);
    crop(source, target, planes, padding, flip, own.split('crop'));
    jitterColors(target, channels, colorFactors(color, own.split('color')));
    if (rotation > 0) rotate(target, planes, rotation * (2 * own.split('rotation').uniform() - 1));
    if (cutout > 0) cut(target, planes, cutout, own.split('cutout'));
  }
  return result;
}

/** Throws a UsageError for options out of range. */
export function checkAugmentation({ padding = 0, color = {}, rotation = 0, cutout = 0 }: Augmentation): void {
  for (const [name, value] of Object.entries({ padding, cutout })) {
    if (!Number.isInteger(value) || value < 0)
      throw new UsageError(`augmentation: ${name} must be a whole number of pixels, 0 or more, not ${value}`);
  }
  if (!(rotation >= 0 && rotation <= 180))
    throw new UsageError(`augmentation: rotation must be 0 to 180 degrees, not ${rotation}`);
  for (const [name, value] of Object.entries(color)) {
    if (value !== undefined && !(value >= 0 && value <= 1))
      throw new UsageError(`augmentation: ${name} must lie from 0 to 1, not ${value}`);
  }
}

type Planes = readonly [channels: number, height: number, width: number];

/** Moves the image by up to `padding` pixels along each axis, and mirrors it at random. */
function crop(
  source: Float32Array,
  target: Float32Array,
  [channels, height, width]: Planes,
  padding: number,
  flip: boolean,
  random: Random,
): void {
  // The window's place relative to the unpadded image.
  const top = random.integer(2 * padding + 1) - padding;
  const left = random.integer(2 * padding + 1) - padding;
  const mirrored = random.integer(2) === 1 && flip;
  for (let plane = 0; plane < channels; plane++) {
    for (let y = Math.max(0, -top); y < Math.min(height, height - top); y++) {
      const to = (plane * height + y) * width;
      const from = (plane * height + y + top) * width + left;
      for (let x = Math.max(0, -left); x < Math.min(width, width - left); x++) {
        target[to + (mirrored ? width - 1 - x : x)] = source[from + x]!;
      }
    }
  }
}

/** Blackens a square, as far as it lies inside. */
function cut(pixels: Float32Array, [channels, height, width]: Planes, side: number, random: Random): void {
  const top = random.integer(height) - (side >> 1);
  const left = random.integer(width) - (side >> 1);
  const [start, end] = [Math.max(0, left), Math.min(width, left + side)];
  for (let plane = 0; plane < channels; plane++) {
    for (let y = Math.max(0, top); y < Math.min(height, top + side); y++) {
      const row = (plane * height + y) * width;
      pixels.fill(0, row + start, row + end);
    }
  }
}
