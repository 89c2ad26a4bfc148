/** @file Walks arrays that broadcast to one shape, row by row, so that inner loops stay plain. */
import { type DataType, sizeOf } from '../graph.ts';
import type { Numbers, NumericArray } from './array.ts';

/** What a row visitor gets: where the row starts in each operand, and how far apart its elements are (0 = repeated). */
type RowVisitor = (start: number, length: number, offsets: readonly number[], steps: readonly number[]) => void;

/**
 * Visits the rows of `shape` in order; `start` counts elements of `shape`. Neighbouring axes that every operand walks
 * alike are merged first, so arrays of one shape are a single row.
 */
export function eachRow(shape: readonly number[], operands: readonly (readonly number[])[], visit: RowVisitor): void {
  const total = sizeOf(shape);
  if (total === 0) return;
  const { lengths, strides } = mergeAxes(
    shape,
    operands.map((operand) => broadcastStrides(operand, shape)),
  );
  const length = lengths.at(-1)!;
  const steps = strides.map((stride) => stride.at(-1)!);
  const offsets = operands.map(() => 0);
  const position = lengths.map(() => 0);
  for (let start = 0; start < total; start += length) {
    visit(start, length, offsets, steps);
    for (let axis = lengths.length - 2; axis >= 0; axis--) {
      position[axis]! += 1;
      const wraps = position[axis] === lengths[axis];
      for (let k = 0; k < operands.length; k++) {
        offsets[k]! += strides[k]![axis]! * (wraps ? 1 - lengths[axis]! : 1);
      }
      if (!wraps) break;
      position[axis] = 0;
    }
  }
}

/** Element strides of an array of shape `from` seen as one of shape `to`: 0 along the axes it is repeated on. */
function broadcastStrides(from: readonly number[], to: readonly number[]): number[] {
  const strides: number[] = new Array(to.length).fill(0);
  let stride = 1;
  for (let axis = from.length - 1; axis >= 0; axis--) {
    strides[axis + to.length - from.length] = from[axis] === 1 ? 0 : stride;
    stride *= from[axis]!;
  }
  return strides;
}

function mergeAxes(shape: readonly number[], strides: readonly number[][]) {
  const lengths: number[] = [1];
  const merged = strides.map(() => [0]);
  shape.forEach((length, axis) => {
    if (length === 1) return;
    const last = lengths.length - 1;
    const continues = strides.every((stride, k) => merged[k]![last] === stride[axis]! * length);
    if (lengths[last] === 1 || continues) {
      lengths[last]! *= length;
      strides.forEach((stride, k) => {
        merged[k]![last] = stride[axis]!;
      });
    } else {
      lengths.push(length);
      strides.forEach((stride, k) => {
        merged[k]!.push(stride[axis]!);
      });
    }
  });
  return { lengths, strides: merged };
}

export function mapUnary(x: NumericArray, f: (x: number) => number, dtype: DataType = x.dtype): NumericArray {
  const data = allocate(dtype, x.data.length);
  for (let i = 0; i < data.length; i++) data[i] = f(x.data[i]!);
  return { dtype, shape: x.shape, data };
}

/** f over two arrays that broadcast to `shape`. */
export function mapBinary(
  a: NumericArray,
  b: NumericArray,
  shape: readonly number[],
  f: (a: number, b: number) => number,
  dtype: DataType = a.dtype,
): NumericArray {
  const data = allocate(dtype, sizeOf(shape));
  const [left, right] = [a.data, b.data];
  eachRow(shape, [a.shape, b.shape], (start, length, offsets, steps) => {
    let [i = 0, j = 0] = offsets;
    const [di = 0, dj = 0] = steps;
    for (let k = start; k < start + length; k++, i += di, j += dj) data[k] = f(left[i]!, right[j]!);
  });
  return { dtype, shape, data };
}

/** f over three arrays that broadcast to `shape`; the result has the type of `b`. */
export function mapTernary(
  a: NumericArray,
  b: NumericArray,
  c: NumericArray,
  shape: readonly number[],
  f: (a: number, b: number, c: number) => number,
): NumericArray {
  const data = allocate(b.dtype, sizeOf(shape));
  const [first, second, third] = [a.data, b.data, c.data];
  eachRow(shape, [a.shape, b.shape, c.shape], (start, length, offsets, steps) => {
    let [i = 0, j = 0, l = 0] = offsets;
    const [di = 0, dj = 0, dl = 0] = steps;
    for (let k = start; k < start + length; k++, i += di, j += dj, l += dl)
      data[k] = f(first[i]!, second[j]!, third[l]!);
  });
  return { dtype: b.dtype, shape, data };
}

const allocate = (dtype: DataType, size: number): Numbers =>
  dtype === 'bool' ? new Uint8Array(size) : new Float64Array(size);
