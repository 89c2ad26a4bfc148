/** @file The gradient of a convolution in its weight: matrix products of its input, as each tap meets it, and dy. */
import type { GraphBuilder } from '../builder.ts';
import { sizeOf } from '../graph.ts';
import type { Convolution } from '../operators/convolution.ts';
import type { Window } from '../operators/window.ts';
import type { Value } from '../value.ts';
import { positions, spatialWindow } from './phases.ts';
import { tapReader } from './taps.ts';

/** With fewer channels than this, copying them one position at a time costs more than transposing the product. */
const FEW_CHANNELS = 16;

/**
 * Gradient [O, C / group, ...kernel] of a convolution's weight, from its input `x` [N, C, ...] and the cotangent `dy`
 * [N, O, ...] of its output: for each tap, Σ over images and positions of dy · x, which sums in the product itself and
 * needs no copy for each image.
 */
export function convWeightGradient(g: GraphBuilder, x: Value, dy: Value, convolution: Convolution): Value {
  const { group, window } = convolution;
  if (group === 1 && isPartition(window)) return patches(g, x, dy, window);
  return group === 1 && x.shape[1]! >= FEW_CHANNELS
    ? channelsLast(g, x, dy, window)
    : channelsFirst(g, x, dy, convolution);
}

/** Whether windows lie side by side without padding, as in the patches of a transformer or a 1×1 convolution. */
const isPartition = ({ kernel, strides, dilations, before, after }: Window): boolean =>
  kernel.every(
    (taps, axis) => taps === strides[axis]! && dilations[axis] === 1 && before[axis] === 0 && after[axis] === 0,
  );

/** One product [O, positions] · [positions, C · taps]: a transpose brings each patch together. */
function patches(g: GraphBuilder, x: Value, dy: Value, { kernel, output }: Window): Value {
  const [n = 0, channels = 0] = x.shape;
  const outputs = dy.shape[1]!;
  const spatial = kernel.map((_, axis) => axis + 2);
  const terms = n * sizeOf(output);
  const covered = output.map((count, axis) => count * kernel[axis]!);
  const cropped = spatialWindow(
    g,
    x,
    kernel.map(() => 0),
    covered,
  );
  const split = g.reshape(cropped, [n, channels, ...output.flatMap((count, axis) => [count, kernel[axis]!])]);
  const order = [0, ...kernel.map((_, axis) => 2 + 2 * axis), 1, ...kernel.map((_, axis) => 3 + 2 * axis)];
  const columns = g.reshape(g.transpose(split, order), [terms, channels * sizeOf(kernel)]);
  const rows = g.reshape(g.transpose(dy, [1, 0, ...spatial]), [outputs, terms]);
  return g.reshape(g.matmul(rows, columns), [outputs, channels, ...kernel]);
}

/** One product [O, positions] · [positions, C] a tap; reading a tap copies runs of C numbers. */
function channelsLast(g: GraphBuilder, x: Value, dy: Value, window: Window): Value {
  const [n = 0, channels = 0] = x.shape;
  const outputs = dy.shape[1]!;
  const spatial = window.kernel.map((_, axis) => axis + 2);
  const terms = n * sizeOf(window.output);
  const rows = g.reshape(g.transpose(dy, [1, 0, ...spatial]), [outputs, terms]);
  const read = tapReader(g, g.transpose(x, [0, ...spatial, 1]), window, { firstAxis: 1 });
  const products = positions(window.kernel).map((tap) =>
    g.unsqueeze(g.matmul(rows, g.reshape(read(tap), [terms, channels])), [2]),
  );
  return g.reshape(g.concat(products, 2), [outputs, channels, ...window.kernel]);
}

/** Products [C / group, positions] · [positions, O / group] for each group; without groups one for all taps at once. */
function channelsFirst(g: GraphBuilder, x: Value, dy: Value, { window, group }: Convolution): Value {
  const { kernel, output } = window;
  const [n = 0, channels = 0] = x.shape;
  const outputs = dy.shape[1]!;
  const spatial = kernel.map((_, axis) => axis + 2);
  const perGroup = channels / group;
  const terms = n * sizeOf(output);
  const columns = g.matrixTranspose(g.reshape(g.transpose(dy, [1, 0, ...spatial]), [group, outputs / group, terms]));
  const read = tapReader(g, g.transpose(x, [1, 0, ...spatial]), window);
  const rows = positions(kernel).map((tap) => g.reshape(read(tap), [group, perGroup, terms]));
  const product =
    group === 1
      ? g.matmul(g.concat(rows, 1), columns)
      : g.concat(
          rows.map((row) => g.matmul(row, columns)),
          1,
        );
  const split = g.reshape(product, [group, ...kernel, perGroup, outputs / group]);
  const taps = kernel.map((_, axis) => axis + 1);
  const ordered = g.transpose(split, [0, taps.length + 2, taps.length + 1, ...taps]);
  return g.reshape(ordered, [outputs, perGroup, ...kernel]);
}
