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
  const divisors = averageDivisors(window, image, includePadding);
  const uniform = (counts: readonly number[]): boolean => counts.every((count) => count === counts[0]);
  const common = divisors.filter(uniform).reduce((product, counts) => product * counts[0]!, 1);
  // One list for each axis: their product over all positions could be larger than the model.
  const weighted = divisors.reduce(
    (value, counts, axis) => {
      if (uniform(counts)) return value;
      const shape = value.shape.map((_, k) => (k === axis + 2 ? counts.length : 1));
      return g.div(value, g.constant(counts, shape, value));
    },
    g.scale(dy, 1 / common),
  );
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
  // Phases beyond the image hold nothing.
  const phases = strides.map((stride, axis) => Math.min(stride, image[axis]! + before[axis]!));
  if (kernel.every((taps, axis) => taps <= strides[axis]!)) {
    // Windows do not overlap: repeat each element over its own.
    const repeated = interleave(g, phases, (phase) =>
      phase.every((φ, axis) => φ < kernel[axis]!) ? values : undefined,
    );
    return spatialWindow(g, repeated!, before, image);
  }
  const apart = interleave(g, phases, (phase) => (phase.every((φ) => φ === 0) ? values : undefined))!;
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
