/** @file Random brightness, contrast and saturation, with the formulas of torchvision's ColorJitter for tensors. */
import type { Random } from '../random.ts';

/** Each factor is drawn from [1 − x, 1 + x]; 0 leaves the image alone. */
export interface ColorJitter {
  brightness?: number;
  contrast?: number;
  /** Has an effect on images of three channels only. */
  saturation?: number;
}

type Aspect = keyof ColorJitter;

const ASPECTS: readonly Aspect[] = ['brightness', 'contrast', 'saturation'];

/** What is changed, in the random order in which it is, and by which factor. */
export function colorFactors(jitter: ColorJitter, random: Random): [aspect: Aspect, factor: number][] {
  return [...random.shuffle(ASPECTS.length)].flatMap((index): [Aspect, number][] => {
    const aspect = ASPECTS[index]!;
    const range = jitter[aspect] ?? 0;
    return range === 0 ? [] : [[aspect, 1 + range * (2 * random.split(aspect).uniform() - 1)]];
  });
}

/**
 * Changes one image [C, H, W] in place. Every aspect mixes the image with another one, factor · x + (1 − factor) · y, and
 * keeps the result in [0, 1]: y is black for brightness, the mean grey of the image for contrast (with other than three
 * channels, the mean of them all), and the grey of each pixel for saturation.
 */
export function jitterColors(
  pixels: Float32Array,
  channels: number,
  factors: readonly (readonly [Aspect, number])[],
): void {
  for (const [aspect, factor] of factors) {
    if (aspect === 'brightness') mix(pixels, factor, Float64Array.of(0));
    else if (aspect === 'contrast')
      mix(pixels, factor, Float64Array.of(mean(channels === 3 ? greyOf(pixels) : pixels)));
    else if (channels === 3) mix(pixels, factor, greyOf(pixels));
  }
}

/** @param other an image of one channel, or one number for all of it */
function mix(pixels: Float32Array, factor: number, other: Float64Array): void {
  const rest = 1 - factor;
  const area = other.length;
  for (let start = 0; start < pixels.length; start += area) {
    for (let p = 0; p < area; p++) {
      const value = factor * pixels[start + p]! + rest * other[p]!;
      pixels[start + p] = value < 0 ? 0 : value > 1 ? 1 : value;
    }
  }
}

function mean(values: Float64Array | Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** Luma of ITU-R BT.601, with the digits of torchvision. */
function greyOf(pixels: Float32Array): Float64Array {
  const area = pixels.length / 3;
  const grey = new Float64Array(area);
  for (let p = 0; p < area; p++)
    grey[p] = 0.2989 * pixels[p]! + 0.587 * pixels[area + p]! + 0.114 * pixels[2 * area + p]!;
  return grey;
}
