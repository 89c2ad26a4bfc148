/**
 * @file An array as seen by a stride: position q · stride + φ belongs to phase φ. Scattering with a stride is working on
 * each phase by itself and interleaving them. Arrays are [N, C, ...spatial], and an axis is a spatial one.
 */
import type { GraphBuilder } from '../builder.ts';
import { checkTableSize } from '../fold.ts';
import { sizeOf } from '../graph.ts';
import type { Value } from '../value.ts';

/** All combinations of 0 ≤ index[a] < lengths[a], the last index running fastest. */
export function positions(lengths: readonly number[]): number[][] {
  // A gradient has nodes for each: 64 × 64 is far more than any classifier's window or stride.
  checkTableSize(sizeOf(lengths), `the gradient over a window or stride of ${lengths.join(' × ')}`, 4096);
  return lengths.reduce<number[][]>(
    (rows, length) => rows.flatMap((row) => Array.from({ length }, (_, i) => [...row, i])),
    [[]],
  );
}

/**
 * Interleaves phases along every axis: position q · strides + φ of the result is element q of `phase(φ)`, or zero where
 * that is undefined. Axis by axis, the last one first, because joining innermost elements is a plain copy in ONNX
 * Runtime, faster than DepthToSpace or a transpose.
 */
export function interleave(
  g: GraphBuilder,
  strides: readonly number[],
  phase: (phases: readonly number[]) => Value | undefined,
): Value | undefined {
  const join = (chosen: readonly number[]): Value | undefined => {
    const axis = chosen.length;
    if (axis === strides.length) return phase(chosen);
    return interleaveAxis(
      g,
      Array.from({ length: strides[axis]! }, (_, φ) => join([...chosen, φ])),
      axis,
    );
  };
  return join([]);
}

function interleaveAxis(g: GraphBuilder, parts: readonly (Value | undefined)[], axis: number): Value | undefined {
  const first = parts.findIndex((part) => part !== undefined);
  const sample = parts[first];
  if (sample === undefined || parts.length === 1) return sample;
  const used = parts.slice(first, parts.findLastIndex((part) => part !== undefined) + 1);
  const inner = axis + 3;
  const columns = used.map((part) => g.unsqueeze(part ?? g.zerosLike(sample), [inner]));
  const joined = g.concat(columns, inner);
  const none = joined.shape.map(() => 0);
  const before = none.with(inner, first);
  const after = none.with(inner, parts.length - first - used.length);
  const shape = sample.shape.with(axis + 2, sample.shape[axis + 2]! * parts.length);
  return g.reshape(g.pad(joined, before, after), shape);
}

/** Crops or pads with zeros, so that the result holds positions `start` ... `start` + `length` − 1 of each spatial axis. */
export function spatialWindow(g: GraphBuilder, x: Value, start: readonly number[], length: readonly number[]): Value {
  const spatial = x.shape.slice(2);
  const starts = start.map((s) => Math.max(0, s));
  const ends = spatial.map((size, axis) => Math.min(size, start[axis]! + length[axis]!));
  const cropped = g.slice(x, { starts, ends, axes: spatial.map((_, axis) => axis + 2) });
  const before = start.map((s) => Math.max(0, -s));
  const after = spatial.map((size, axis) => Math.max(0, start[axis]! + length[axis]! - size));
  return g.pad(cropped, [0, 0, ...before], [0, 0, ...after]);
}
