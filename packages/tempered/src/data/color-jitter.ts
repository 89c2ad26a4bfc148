/** @file Random brightness, contrast and saturation, with the formulas of torchvision's ColorJitter for tensors. */
import type { Random } from '../random.ts';

/** Each factor is drawn from [1 − x, 1 + x]; 0 leaves the image alone. */
export interface ColorJitter {
  brightness?: number;
  contrast?: number;
  /** Has no effect on images of one channel. */
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
 * keeps the result in [0, 1]: y is black for brightness, the mean grey of the image for contrast, and the grey of each
 * pixel for saturation.
 */
export function jitterColors(
  pixels: Float32Array,
  channels: number,
  factors: readonly (readonly [Aspect, number])[],
): void {
  for (const [aspect, factor] of factors) {
    if (aspect === 'brightness') mix(pixels, factor, () => 0);
    else {
      const grey = greyOf(pixels, channels);
      const area = grey.length;
      if (aspect === 'saturation') {
        if (channels === 3) mix(pixels, factor, (index) => grey[index % area]!);
      } else {
        const mean = grey.reduce((sum, value) => sum + value, 0) / area;
        mix(pixels, factor, () => mean);
      }
    }
  }
}

function mix(pixels: Float32Array, factor: number, other: (index: number) => number): void {
  for (let i = 0; i < pixels.length; i++) {
    pixels[i] = Math.min(1, Math.max(0, factor * pixels[i]! + (1 - factor) * other(i)));
  }
}

/** Luma of ITU-R BT.601, with the digits of torchvision; images of one channel are grey already. */
function greyOf(pixels: Float32Array, channels: number): Float64Array {
  if (channels !== 3) return Float64Array.from(pixels.subarray(0, pixels.length / channels));
  const area = pixels.length / 3;
  return Float64Array.from(
    { length: area },
    (_, p) => 0.2989 * pixels[p]! + 0.587 * pixels[area + p]! + 0.114 * pixels[2 * area + p]!,
  );
}
