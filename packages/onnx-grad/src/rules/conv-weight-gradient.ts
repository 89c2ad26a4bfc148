/** @file The gradient of a convolution in its weight, as one matrix product. */
import type { GraphBuilder } from '../builder.ts';
import { sizeOf } from '../graph.ts';
import type { Convolution } from '../operators/convolution.ts';
import { windowExtent } from '../operators/window.ts';
import type { Value } from '../value.ts';
import { positions } from './phases.ts';

/**
 * Gradient [O, C / group, ...kernel] of a convolution's weight, from its input `x` [N, C, ...] and the cotangent `dy`
 * [N, O, ...] of its output: the elements of x that each tap meets, times dy, summed over images and positions.
 */
export function convWeightGradient(g: GraphBuilder, x: Value, dy: Value, { window, group }: Convolution): Value {
  const { kernel, strides, dilations, before, output } = window;
  const [n = 0, channels = 0, ...image] = x.shape;
  const outputs = dy.shape[1]!;
  const spatial = kernel.map((_, axis) => axis + 2);
  const perGroup = channels / group;
  const terms = n * sizeOf(output);

  // Channels first: then taps are rows of one matrix, and the product sums over the batch as well.
  const back = image.map((length, axis) => {
    const needed = (output[axis]! - 1) * strides[axis]! + windowExtent(kernel[axis]!, dilations[axis]!);
    return Math.max(0, needed - length - before[axis]!);
  });
  const padded = g.pad(g.transpose(x, [1, 0, ...spatial]), [0, 0, ...before], [0, 0, ...back]);
  const rows = positions(kernel).map((tap) => {
    const starts = tap.map((t, axis) => t * dilations[axis]!);
    const ends = starts.map((start, axis) => start + (output[axis]! - 1) * strides[axis]! + 1);
    return g.reshape(g.slice(padded, { starts, ends, axes: spatial, steps: strides }), [group, perGroup, terms]);
  });
  const columns = g.reshape(g.transpose(dy, [1, 0, ...spatial]), [group, outputs / group, terms]);
  const product = g.matmul(g.concat(rows, 1), g.matrixTranspose(columns));

  const split = g.reshape(product, [group, ...kernel, perGroup, outputs / group]);
  const rank = kernel.length;
  const ordered = g.transpose(split, [0, rank + 2, rank + 1, ...kernel.map((_, axis) => axis + 1)]);
  return g.reshape(ordered, [outputs, perGroup, ...kernel]);
}
