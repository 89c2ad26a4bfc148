/** @file How few input values carry most of an attribution. */
import type { Tensor } from '../../tensor.ts';
import { giniIndex } from './concentration.ts';

/**
 * Gini index of each image's |attributions|, every input value counted by itself: 0 when all are equal, 1 − 1/n when one
 * holds everything (Hurley and Rickard 2009; for gradients Chalasani et al. 2020).
 *
 * @param attributions [N, ...]
 * @returns [N], in [0, 1); NaN for a map of zeros
 */
export function attributionSparsity({ shape, data }: Tensor): Float64Array {
  const [count = 0] = shape;
  const size = data.length / count;
  return Float64Array.from({ length: count }, (_, i) =>
    giniIndex(data.subarray(i * size, (i + 1) * size).map(Math.abs)),
  );
}
