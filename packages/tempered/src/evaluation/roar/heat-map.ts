/** @file What ROAR and KAR rank: one value a pixel, or one a channel of a pixel. */
import type { Random } from '../../random.ts';

/**
 * What is ranked. `'pixel'`: a pixel by the sum over its channels of |attribution|, as Kim et al. 2019. The other two are
 * those of the reference code of Hooker et al. 2019, where every channel of a pixel has a rank of its own: by the squared
 * or by the signed attribution.
 */
export type Ranked = 'pixel' | 'sub-pixel-squared' | 'sub-pixel-signed';

export const RANKED = ['pixel', 'sub-pixel-squared', 'sub-pixel-signed'] as const satisfies readonly Ranked[];

/**
 * The values by which one image's pixels, or channels of pixels, are ranked: the largest matter most.
 *
 * @param attribution of one image, [C, H, W] flat
 * @returns H · W values, or C · H · W
 */
export function heatMap(attribution: ArrayLike<number>, channels: number, ranked: Ranked = 'pixel'): Float64Array {
  if (ranked === 'sub-pixel-signed') return Float64Array.from(attribution);
  if (ranked === 'sub-pixel-squared') return Float64Array.from(attribution, (value) => value * value);
  const area = attribution.length / channels;
  const sums = new Float64Array(area);
  for (let i = 0; i < attribution.length; i++) sums[i % area]! += Math.abs(attribution[i]!);
  return sums;
}

/** Largest number that Kim et al. 2019 add to each pixel of a map so that no two are equal. */
export const TIE_NOISE = 1e-8;

/**
 * Adds uniform noise of [0, 1e-8) to every value, in place. Maps of images that the model is very sure of are smaller than
 * that: the noise then ranks their pixels.
 */
export function addTieNoise(values: Float64Array, random: Random): Float64Array {
  for (let i = 0; i < values.length; i++) values[i]! += TIE_NOISE * random.uniform();
  return values;
}
