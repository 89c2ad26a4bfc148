/** @file The adjoint of adding up windows, and with it the gradient of AveragePool. */
import type { GraphBuilder } from '../builder.ts';
import { sizeOf } from '../graph.ts';
import { averageDivisors } from '../operators/pooling.ts';
import type { Window } from '../operators/window.ts';
import type { Value } from '../value.ts';
import { interleave, positions, spatialWindow } from './phases.ts';
import { foldTaps } from './taps.ts';

/** Gradient [N, C, ...image] of AveragePool's input. */
export function averagePoolGradient(
  g: GraphBuilder,
  dy: Value,
  window: Window,
  image: readonly number[],
  includePadding: boolean,
): Value {
  // A factor for each axis: their product over all positions could be larger than the model.
  const weighted = averageDivisors(window, image, includePadding).reduce((value, counts, axis) => {
    if (counts.every((count) => count === counts[0])) return g.scale(value, 1 / counts[0]!);
    const shape = value.shape.map((_, k) => (k === axis + 2 ? counts.length : 1));
    const factors = counts.map((count) => 1 / count);
    return g.mul(value, g.constant(factors, shape, value));
  }, dy);
  return spreadWindows(g, weighted, window, image);
}

/** Adds each element of `values` [N, C, ...output] to every element of its window: [N, C, ...image]. */
export function spreadWindows(g: GraphBuilder, values: Value, window: Window, image: readonly number[]): Value {
  const { kernel, strides, dilations, before, output } = window;
  if (dilations.some((dilation) => dilation !== 1)) {
    return foldTaps(
      g,
      positions(kernel).map(() => values),
      window,
      image,
    );
  }
  if (kernel.every((taps, axis) => taps <= strides[axis]!)) {
    // No two windows meet: repeat each element over its own.
    const repeated = interleave(g, strides, (phase) =>
      phase.every((φ, axis) => φ < kernel[axis]!) ? values : undefined,
    );
    return spatialWindow(g, repeated!, before, image);
  }
  const apart = interleave(g, strides, (phase) => (phase.every((φ) => φ === 0) ? values : undefined))!;
  const reachable = spatialWindow(
    g,
    apart,
    kernel.map(() => 0),
    image.map((length, axis) => length + before[axis]!),
  );
  // Summing windows of stride 1 is its own adjoint.
  const pads = [...kernel.map((taps, axis) => taps - 1 - before[axis]!), ...output.map(() => 0)];
  const means = g.op('AveragePool', [reachable], { kernel_shape: kernel, pads, count_include_pad: 1 });
  return g.scale(means, sizeOf(kernel));
}
