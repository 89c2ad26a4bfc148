/** @file How few pixels carry most of an attribution. */
import type { Tensor } from '../../tensor.ts';

/**
 * Gini index of magnitudes: 0 when all are equal, 1 − 1/n when one holds everything. Hurley and Rickard, "Comparing
 * measures of sparsity", IEEE Transactions on Information Theory 55, 2009, table I; for attributions Chalasani et al. 2020.
 *
 * @returns NaN when all values are 0
 * @example
 * giniIndex([0, 0, 0, -4]); // 0.75
 */
export function giniIndex(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values, Math.abs).sort();
  const total = sorted.reduce((sum, value) => sum + value, 0);
  const weighted = sorted.reduce((sum, value, i) => sum + value * (sorted.length - i - 0.5), 0);
  return 1 - (2 * weighted) / (total * sorted.length);
}

/**
 * Gini index of each image's attributions, every input value counted by itself.
 *
 * @param attributions [N, ...]
 * @returns [N], in [0, 1); NaN for a map of zeros
 */
export function attributionSparsity({ shape, data }: Tensor): Float64Array {
  const [count = 0] = shape;
  const size = data.length / count;
  return Float64Array.from({ length: count }, (_, i) => giniIndex(data.subarray(i * size, (i + 1) * size)));
}
