/** @file The scores of ROAR and KAR: areas between two curves of accuracy. Kim et al. 2019. */
import type { Mode } from './bands.ts';

/** Accuracies of networks trained and tested on occluded images, by percentile. */
export interface OccludedAccuracies {
  /** In (0, 100), rising. */
  readonly percentiles: readonly number[];
  /** Where a map chose the pixels. */
  readonly attribution: readonly number[];
  /** Where chance chose them. */
  readonly random: readonly number[];
}

/** Area under a line through points, by trapezoids; `x` rises. */
export function trapezoid(x: readonly number[], y: readonly number[]): number {
  let area = 0;
  for (let i = 1; i < x.length; i++) area += ((x[i]! - x[i - 1]!) * (y[i]! + y[i - 1]!)) / 2;
  return area;
}

/**
 * How much better a map is than chance: in ROAR, the accuracy lost by removing what it shows over that lost by removing as
 * much by chance; in KAR, the accuracy left by keeping what it shows over that left by keeping as much by chance. The area
 * between the curves over the share p from 0 to 1; higher is better.
 *
 * At the ends stand the accuracy on whole images and that on nothing, on both curves: whatever they are, they cancel.
 *
 * @throws RangeError for lists of different lengths
 */
export function occlusionScore(mode: Mode, { percentiles, attribution, random }: OccludedAccuracies): number {
  if (attribution.length !== percentiles.length || random.length !== percentiles.length)
    throw new RangeError(
      `${percentiles.length} percentiles need as many accuracies, not ${attribution.length} and ${random.length}`,
    );
  const sign = mode === 'roar' ? 1 : -1;
  const gains = random.map((accuracy, i) => sign * (accuracy - attribution[i]!));
  return trapezoid([0, ...percentiles.map((p) => p / 100), 1], [0, ...gains, 0]);
}
