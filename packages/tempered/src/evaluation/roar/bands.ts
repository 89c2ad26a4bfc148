/**
 * @file Where the pixels of an image stand between the percentiles of its map: all that occlusion has to know of it, in a
 * byte a pixel.
 *
 * A band holds two numbers: the place in the list of percentiles from which on ROAR replaces the pixel (high four bits),
 * and that from which on KAR keeps it (low four bits). They differ only where a value is the threshold itself, which
 * neither of the two replaces.
 */
import { percentileOfSorted } from '../../image/percentile.ts';
import type { Random } from '../../random.ts';

/** ROAR replaces the share that matters most, KAR all but it. */
export type Mode = 'roar' | 'kar';

export const MODES = ['roar', 'kar'] as const satisfies readonly Mode[];

/** More do not fit into four bits. */
export const MOST_PERCENTILES = 15;

/** Throws a RangeError unless the percentiles rise, lie inside (0, 100) and are 1 to 15. */
export function checkPercentiles(percentiles: readonly number[]): void {
  const rising = percentiles.every((p, i) => p > (percentiles[i - 1] ?? 0) && p < 100);
  if (!rising || percentiles.length === 0 || percentiles.length > MOST_PERCENTILES)
    throw new RangeError(
      `percentiles must be 1 to ${MOST_PERCENTILES} rising numbers between 0 and 100, not ${percentiles.join(', ')}`,
    );
}

/**
 * The rule of Kim et al. 2019: with t the (100 − p)-th percentile of the map, ROAR replaces what is above t, and KAR what is
 * below. How many that are depends on ties, and on where the percentile falls between two values.
 *
 * @param values one image's map
 * @param percentiles p, rising
 */
export function bandsByThreshold(values: Float64Array, percentiles: readonly number[]): Uint8Array {
  const sorted = values.slice().sort();
  const thresholds = percentiles.map((p) => percentileOfSorted(sorted, 100 - p));
  const bands = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    let [notAbove, below] = [0, 0];
    // Thresholds fall as percentiles rise.
    for (const threshold of thresholds) {
      if (values[i]! <= threshold) notAbove += 1;
      if (values[i]! < threshold) below += 1;
    }
    bands[i] = (notAbove << 4) | below;
  }
  return bands;
}

/** How many of `size` are p per cent: ⌊p · size / 100⌋, as in the code of Hooker et al. 2019. */
export const countAt = (p: number, size: number): number => Math.floor((p * size) / 100);

/**
 * Exact counts: at p per cent the ⌊p · size / 100⌋ largest values are the ones that matter, and equal values are put in
 * order by chance.
 *
 * @param ties decides between equal values
 */
export function bandsByRank(values: Float64Array, percentiles: readonly number[], ties: Random): Uint8Array {
  const lot = ties.shuffle(values.length);
  const order = Uint32Array.from(values.keys()).sort((i, j) => values[j]! - values[i]! || lot[i]! - lot[j]!);
  const bands = new Uint8Array(values.length);
  let start = 0;
  for (let band = 0; band <= percentiles.length; band++) {
    const p = percentiles[band];
    const end = p === undefined ? values.length : countAt(p, values.length);
    for (let place = start; place < end; place++) bands[order[place]!] = (band << 4) | band;
    start = end;
  }
  return bands;
}

/**
 * Which pixels are replaced at the `index`-th percentile: 1 where they are.
 *
 * @param bands of any number of images
 */
export function replacedIn(bands: Uint8Array, mode: Mode, index: number): Uint8Array {
  return mode === 'roar'
    ? bands.map((band) => Number(band >> 4 <= index))
    : bands.map((band) => Number((band & 15) > index));
}

/**
 * The random masks of Kim et al. 2019, where every pixel is replaced by a throw of its own, so that the number of replaced
 * pixels varies: with probability p per cent in ROAR, and 1 − p in KAR.
 *
 * @param random split by image number, so that an image's mask does not depend on how many there are
 * @returns 1 where a pixel is replaced, [count, area]
 */
export function bernoulliMasks(
  count: number,
  { area, percentile, mode, random }: { area: number; percentile: number; mode: Mode; random: Random },
): Uint8Array {
  const share = (mode === 'roar' ? percentile : 100 - percentile) / 100;
  const masks = new Uint8Array(count * area);
  for (let image = 0; image < count; image++) {
    const own = random.split(image);
    for (let i = 0; i < area; i++) masks[image * area + i] = Number(own.uniform() < share);
  }
  return masks;
}
