/** @file Moves elements between arrays seen through strides: the loops under Transpose, Slice, Expand, Pad, Concat ... */
import type { Numbers, NumericArray } from '../evaluate/array.ts';

/** An array and how its elements are found: element (i, j, ...) lies at offset + i·strides[0] + j·strides[1] + ... */
export interface Strided {
  data: Numbers;
  offset: number;
  strides: readonly number[];
}

/** Row-major strides, in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides: number[] = new Array(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** A zeroed array of the same element type. */
export function emptyLike(data: Numbers, length: number): Numbers {
  const TypedArray = data.constructor as new (length: number) => Numbers;
  return new TypedArray(length);
}

/**
 * A zeroed array that holds the elements of all the arrays: double precision when one has it, because constants are
 * kept in single precision while the reference evaluates everything else in double.
 */
export function emptyForAll(arrays: readonly NumericArray[], length: number): Numbers {
  const widest = arrays.find(({ data }) => data instanceof Float64Array) ?? arrays[0]!;
  return emptyLike(widest.data, length);
}

/** The number of elements before and after an axis: an array seen as [outer, length, inner]. */
export function around(shape: readonly number[], axis: number): { outer: number; length: number; inner: number } {
  const product = (part: readonly number[]) => part.reduce((size, dimension) => size * dimension, 1);
  return { outer: product(shape.slice(0, axis)), length: shape[axis]!, inner: product(shape.slice(axis + 1)) };
}

// Below this length a plain loop is quicker than a call of TypedArray.set.
const BLOCK_COPY = 48;

/** Copies `shape` elements of one strided array to another. */
export function copyStrided(shape: readonly number[], source: Strided, target: Strided): void {
  if (shape.includes(0)) return;
  const axes = mergeAxes(shape, source.strides, target.strides);
  while (axes.length < 2) axes.unshift({ length: 1, from: 0, to: 0 });
  const columns = axes.pop()!;
  const rows = axes.pop()!;
  const index = axes.map(() => 0);
  const blocks = columns.from === 1 && columns.to === 1 && columns.length >= BLOCK_COPY;
  let from = source.offset;
  let to = target.offset;
  for (;;) {
    for (let row = 0; row < rows.length; row++) {
      const rowFrom = from + row * rows.from;
      const rowTo = to + row * rows.to;
      if (blocks) target.data.set(source.data.subarray(rowFrom, rowFrom + columns.length), rowTo);
      else copyRow(source.data, rowFrom, columns.from, target.data, rowTo, columns.to, columns.length);
    }
    let axis = axes.length - 1;
    for (; axis >= 0; axis--) {
      const { length, from: fromStride, to: toStride } = axes[axis]!;
      index[axis] = index[axis]! + 1;
      from += fromStride;
      to += toStride;
      if (index[axis]! < length) break;
      from -= fromStride * length;
      to -= toStride * length;
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}

function copyRow(
  source: Numbers,
  from: number,
  fromStride: number,
  target: Numbers,
  to: number,
  toStride: number,
  length: number,
): void {
  for (let i = 0, s = from, t = to; i < length; i++, s += fromStride, t += toStride) target[t] = source[s]!;
}

/** Drops axes of length 1 and joins neighbours that are contiguous on both sides, so that the inner loops are long. */
function mergeAxes(shape: readonly number[], from: readonly number[], to: readonly number[]) {
  const axes: { length: number; from: number; to: number }[] = [];
  shape.forEach((length, axis) => {
    if (length === 1) return;
    const previous = axes.at(-1);
    if (previous && previous.from === from[axis]! * length && previous.to === to[axis]! * length) {
      axes[axes.length - 1] = { length: previous.length * length, from: from[axis]!, to: to[axis]! };
    } else {
      axes.push({ length, from: from[axis]!, to: to[axis]! });
    }
  });
  return axes;
}

/** The elements at `indices` (0 ≤ index < length) of one axis, in that order. */
export function selectAlong(x: NumericArray, axis: number, indices: ArrayLike<number>): NumericArray {
  const { outer, length, inner } = around(x.shape, axis);
  const shape = x.shape.with(axis, indices.length);
  const data = emptyLike(x.data, outer * indices.length * inner);
  const blocks = inner >= BLOCK_COPY;
  for (let o = 0, to = 0; o < outer; o++) {
    const base = o * length * inner;
    for (let i = 0; i < indices.length; i++, to += inner) {
      const from = base + indices[i]! * inner;
      if (inner === 1) data[to] = x.data[from]!;
      else if (blocks) data.set(x.data.subarray(from, from + inner), to);
      else copyRow(x.data, from, 1, data, to, 1, inner);
    }
  }
  return { dtype: x.dtype, shape, data };
}

/** x with its axes in the order given. */
export function permuteAxes(
  { dtype, shape: before, data: source }: NumericArray,
  permutation: readonly number[],
): NumericArray {
  const shape = permutation.map((axis) => before[axis]!);
  const strides = stridesOf(before);
  const data = emptyLike(source, source.length);
  copyStrided(
    shape,
    { data: source, offset: 0, strides: permutation.map((axis) => strides[axis]!) },
    { data, offset: 0, strides: stridesOf(shape) },
  );
  return { dtype, shape, data };
}
