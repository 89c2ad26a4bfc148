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
// Side of the squares in which a transpose is done, so that both sides stay in the cache.
const TILE = 32;

interface Axis {
  length: number;
  from: number;
  to: number;
}

/** Copies `shape` elements of one strided array to another. */
export function copyStrided(shape: readonly number[], source: Strided, target: Strided): void {
  if (shape.includes(0)) return;
  const axes = mergeAxes(shape, source.strides, target.strides);
  while (axes.length < 3) axes.unshift({ length: 1, from: 0, to: 0 });
  const inner = axes.splice(-3) as [Axis, Axis, Axis];
  const index = axes.map(() => 0);
  let from = source.offset;
  let to = target.offset;
  for (;;) {
    copyCuboid(source.data, from, target.data, to, inner);
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

function copyCuboid(
  source: Numbers,
  from: number,
  target: Numbers,
  to: number,
  [plane, row, column]: readonly [Axis, Axis, Axis],
): void {
  const blocks = column.from === 1 && column.to === 1 && column.length >= BLOCK_COPY;
  const tiled = Math.abs(column.from) >= TILE && column.length > TILE && row.length > TILE;
  const rowTile = tiled ? TILE : row.length;
  const columnTile = tiled ? TILE : column.length;
  for (let p = 0; p < plane.length; p++) {
    const planeFrom = from + p * plane.from;
    const planeTo = to + p * plane.to;
    for (let firstRow = 0; firstRow < row.length; firstRow += rowTile) {
      const rowEnd = Math.min(firstRow + rowTile, row.length);
      for (let first = 0; first < column.length; first += columnTile) {
        const count = Math.min(columnTile, column.length - first);
        for (let r = firstRow; r < rowEnd; r++) {
          let s = planeFrom + r * row.from + first * column.from;
          let t = planeTo + r * row.to + first * column.to;
          if (blocks) {
            target.set(source.subarray(s, s + count), t);
            continue;
          }
          for (let c = 0; c < count; c++) {
            target[t] = source[s]!;
            s += column.from;
            t += column.to;
          }
        }
      }
    }
  }
}

/** Drops axes of length 1 and joins neighbours that are contiguous on both sides, so that the inner loops are long. */
function mergeAxes(shape: readonly number[], from: readonly number[], to: readonly number[]): Axis[] {
  const axes: Axis[] = [];
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
  const step = indices.length > 1 ? indices[1]! - indices[0]! : 1;
  const even = Array.prototype.every.call(indices, (index, i) => i === 0 || index === indices[i - 1]! + step);
  if (even && indices.length > 0) {
    // Reversals, windows and repeats are one strided copy.
    copyStrided(
      [outer, indices.length, inner],
      { data: x.data, offset: indices[0]! * inner, strides: [length * inner, step * inner, 1] },
      { data, offset: 0, strides: stridesOf([outer, indices.length, inner]) },
    );
    return { dtype: x.dtype, shape, data };
  }
  const blocks = inner >= BLOCK_COPY;
  for (let o = 0, to = 0; o < outer; o++) {
    for (let i = 0; i < indices.length; i++, to += inner) {
      const from = (o * length + indices[i]!) * inner;
      if (blocks) data.set(x.data.subarray(from, from + inner), to);
      else for (let k = 0; k < inner; k++) data[to + k] = x.data[from + k]!;
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
