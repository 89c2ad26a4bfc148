/**
 * @file An array as seen by a stride: position u = q · stride + φ belongs to phase φ. Scattering with a stride is
 * working on each phase by itself and interleaving them, which every provider does with Reshape, Transpose and Pad.
 * All arrays are [N, C, ...spatial].
 */
import type { GraphBuilder } from '../builder.ts';
import type { Value } from '../value.ts';

/** All combinations of 0 ≤ index[a] < lengths[a], the last index running fastest. */
export function positions(lengths: readonly number[]): number[][] {
  return lengths.reduce<number[][]>(
    (rows, length) => rows.flatMap((row) => Array.from({ length }, (_, i) => [...row, i])),
    [[]],
  );
}

/**
 * Interleaves phases. `stacked` is [N, counts[0], counts[1], ..., C, ...Q]: phases first[a] ... first[a] + counts[a] − 1
 * of each axis; the others are zero. Returns [N, C, Q[0] · strides[0], ...].
 */
export function interleave(
  g: GraphBuilder,
  stacked: Value,
  strides: readonly number[],
  first: readonly number[],
): Value {
  const rank = strides.length;
  const [n = 0, ...rest] = stacked.shape;
  const counts = rest.slice(0, rank);
  const channels = rest[rank]!;
  const lengths = rest.slice(rank + 1);
  const order = [0, rank + 1, ...strides.flatMap((_, axis) => [rank + 2 + axis, 1 + axis])];
  const spread = counts.every((count) => count === 1)
    ? g.reshape(stacked, [n, channels, ...lengths.flatMap((length) => [length, 1])])
    : g.transpose(stacked, order);
  const before = [0, 0, ...first.flatMap((phase) => [0, phase])];
  const after = [0, 0, ...strides.flatMap((stride, axis) => [0, stride - first[axis]! - counts[axis]!])];
  return g.reshape(g.pad(spread, before, after), [
    n,
    channels,
    ...lengths.map((length, axis) => length * strides[axis]!),
  ]);
}

/** Crops or pads with zeros, so that the result holds positions `start` ... `start` + `length` − 1 of each spatial axis. */
export function spatialWindow(g: GraphBuilder, x: Value, start: readonly number[], length: readonly number[]): Value {
  const spatial = x.shape.slice(2);
  const ends = spatial.map((size, axis) => Math.min(size, start[axis]! + length[axis]!));
  const cropped = g.slice(x, {
    starts: start.map((s) => Math.max(0, s)),
    ends,
    axes: spatial.map((_, axis) => axis + 2),
  });
  const before = start.map((s) => Math.max(0, -s));
  const after = spatial.map((size, axis) => Math.max(0, start[axis]! + length[axis]! - size));
  return g.pad(cropped, [0, 0, ...before], [0, 0, ...after]);
}
