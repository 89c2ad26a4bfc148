/** @file The elements that each tap of a sliding window meets, and the adjoint: adding them up where they came from. */
import type { GraphBuilder } from '../builder.ts';
import { type Window, windowExtent } from '../operators/window.ts';
import type { Value } from '../value.ts';
import { interleave, positions, spatialWindow } from './phases.ts';

/** How much of the padded input the windows cover, on each axis. */
const coverage = ({ kernel, strides, dilations, output }: Window): number[] =>
  output.map((count, axis) => (count - 1) * strides[axis]! + windowExtent(kernel[axis]!, dilations[axis]!));

interface TapOptions {
  /** What stands outside the image. Default 0. */
  padding?: number;
  /** The first spatial axis of x: 2 for [N, C, ...image], which is the default, 1 for [N, ...image, C]. */
  firstAxis?: number;
}

/**
 * Returns a function that reads the elements of `x` which a tap meets, with `window.output` in place of the image.
 *
 * Picking every other element of the innermost axis is slow, so it is done once for all taps that share a phase; what
 * remains for each tap is to copy whole rows.
 */
export function tapReader(
  g: GraphBuilder,
  x: Value,
  window: Window,
  { padding = 0, firstAxis = 2 }: TapOptions = {},
): (tap: readonly number[]) => Value {
  const { kernel, strides, dilations, before, output } = window;
  const axes = output.map((_, axis) => firstAxis + axis);
  const back = coverage(window).map((length, i) => Math.max(0, length - x.shape[axes[i]!]! - before[i]!));
  const padded = padWith(g, x, axes, before, back, padding);
  const last = axes.length - 1;
  const stride = strides[last]!;
  const shared = stride > 1 && kernel[last]! > stride && axes[last] === x.shape.length - 1;
  const phases = new Map<number, Value>();
  const everyStride = (start: number): Value => {
    const known = phases.get(start);
    if (known !== undefined) return known;
    const axis = axes[last]!;
    const picked = g.slice(padded, { starts: [start], ends: [padded.shape[axis]!], axes: [axis], steps: [stride] });
    phases.set(start, picked);
    return picked;
  };
  return (tap) => {
    const starts = tap.map((t, axis) => t * dilations[axis]!);
    const steps = [...strides];
    const source = shared ? everyStride(starts[last]! % stride) : padded;
    if (shared) {
      starts[last] = Math.floor(starts[last]! / stride);
      steps[last] = 1;
    }
    const ends = starts.map((start, axis) => start + (output[axis]! - 1) * steps[axis]! + 1);
    return g.slice(source, { starts, ends, axes, steps });
  };
}

function padWith(
  g: GraphBuilder,
  x: Value,
  axes: readonly number[],
  before: readonly number[],
  after: readonly number[],
  value: number,
): Value {
  if ([...before, ...after].every((count) => count === 0)) return x;
  const spread = (counts: readonly number[]) => x.shape.map((_, axis) => counts[axes.indexOf(axis)] ?? 0);
  return g.op('Pad', [x, g.integers([...spread(before), ...spread(after)]), g.constant(value, [], x)]);
}

/** Adds each part [N, C, ...output] to the elements its tap meets: [N, C, ...image]. Adjoint of `tapReader`. */
export function foldTaps(g: GraphBuilder, parts: readonly Value[], window: Window, image: readonly number[]): Value {
  const { kernel, strides, dilations, before, output } = window;
  const reached = coverage(window).map((length, axis) => Math.max(length, image[axis]! + before[axis]!));
  const lengths = reached.map((length, axis) => Math.ceil(length / strides[axis]!));
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
  // Phases beyond the image hold nothing.
  const phases = strides.map((stride, axis) => Math.min(stride, reached[axis]!));
  const whole = interleave(g, phases, (phase) => sums.get(phase.join()));
  return spatialWindow(g, whole!, before, image);
}
