/** @file The elements that each tap of a sliding window meets, and the adjoint: adding them up where they came from. */
import type { GraphBuilder } from '../builder.ts';
import { type Window, windowExtent } from '../operators/window.ts';
import type { Value } from '../value.ts';
import { interleave, positions, spatialWindow } from './phases.ts';

/** How much of the padded input the windows cover, on each axis. */
const coverage = ({ kernel, strides, dilations, output }: Window): number[] =>
  output.map((count, axis) => (count - 1) * strides[axis]! + windowExtent(kernel[axis]!, dilations[axis]!));

/** For each tap in row-major order, the elements [N, C, ...output] of `x` [N, C, ...image] it meets; `padding` outside. */
export function tapSlices(g: GraphBuilder, x: Value, window: Window, padding: number): Value[] {
  const { kernel, strides, dilations, before, output } = window;
  const image = x.shape.slice(2);
  const back = coverage(window).map((length, axis) => Math.max(0, length - image[axis]! - before[axis]!));
  const padded = [...before, ...back].every((count) => count === 0)
    ? x
    : g.op('Pad', [x, g.integers([0, 0, ...before, 0, 0, ...back]), g.constant(padding, [], x)]);
  return positions(kernel).map((tap) => {
    const starts = tap.map((t, axis) => t * dilations[axis]!);
    const ends = starts.map((start, axis) => start + (output[axis]! - 1) * strides[axis]! + 1);
    return g.slice(padded, { starts, ends, axes: image.map((_, axis) => axis + 2), steps: strides });
  });
}

/** Adds each part [N, C, ...output] to the elements its tap meets: [N, C, ...image]. Adjoint of `tapSlices`. */
export function foldTaps(g: GraphBuilder, parts: readonly Value[], window: Window, image: readonly number[]): Value {
  const { kernel, strides, dilations, before, output } = window;
  const lengths = coverage(window).map((length, axis) =>
    Math.ceil(Math.max(length, image[axis]! + before[axis]!) / strides[axis]!),
  );
  const sums = new Map<string, Value>();
  positions(kernel).forEach((tap, index) => {
    const first = tap.map((t, axis) => t * dilations[axis]!);
    const shift = first.map((position, axis) => Math.floor(position / strides[axis]!));
    const after = lengths.map((length, axis) => length - output[axis]! - shift[axis]!);
    const placed = g.pad(parts[index]!, [0, 0, ...shift], [0, 0, ...after]);
    const phase = first.map((position, axis) => position % strides[axis]!).join();
    const known = sums.get(phase);
    sums.set(phase, known === undefined ? placed : g.add(known, placed));
  });
  const whole = interleave(g, strides, (phase) => sums.get(phase.join()));
  return spatialWindow(g, whole!, before, image);
}
