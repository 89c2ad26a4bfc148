/**
 * @file Adjoints of picking elements along axes: every element of a cotangent is added to where it was taken from.
 * They are written without scattering wherever the positions are constants, because slices, pads and products run
 * everywhere, fast and in a fixed order of summation, which atomic additions on a GPU do not.
 */
import type { GraphBuilder } from '../builder.ts';
import { toTensor } from '../evaluate/array.ts';
import type { AxisSlice } from '../operators/indexing.ts';
import { around } from '../operators/strided.ts';
import type { Value } from '../value.ts';

/** A constant matrix in row-major order. */
export interface Matrix {
  rows: number;
  columns: number;
  data: Float64Array;
}

/** y[.., r, ..] = Σ_c matrix[r, c] · x[.., c, ..] along one axis, as a MatMul. */
export function multiplyAlong(g: GraphBuilder, x: Value, axis: number, { rows, columns, data }: Matrix): Value {
  const { outer, inner } = around(x.shape, axis);
  const matrix = g.tensor(toTensor({ dtype: x.dtype, shape: [rows, columns], data }));
  const product =
    inner === 1
      ? g.matmul(g.reshape(x, [outer, columns]), g.matrixTranspose(matrix))
      : g.matmul(matrix, g.reshape(x, [outer, columns, inner]));
  return g.reshape(product, x.shape.with(axis, rows));
}

// Up to this many elements, multiplying by a selection's 0-1 matrix beats moving single elements along the last axis
// (a quarter of the time for 32 of 32, on the CPU provider, whose Gather, Pad and ReduceSum work element by element).
const SMALL_MATRIX = 1 << 14;
// Up to this many, it is preferred to a scatter, which is faster but adds in an order that a GPU does not fix.
const LARGEST_MATRIX = 1 << 18;
// Up to this many stretches of equally spaced indices, slices and additions beat the product.
const MOST_RUNS = 3;

/** The adjoint of a Slice: dy's elements at the positions they were cut from, zeros between and around them. */
export function sliceAdjoint(
  g: GraphBuilder,
  dy: Value,
  slices: readonly AxisSlice[],
  shape: readonly number[],
): Value {
  if (dy.shape.includes(0)) return g.constant(0, shape, dy);
  const last = slices.findLastIndex((_, axis) => shape[axis]! > 1);
  const spaced = slices[last];
  if (spaced && spaced.step !== 1 && spaced.count > 1 && spaced.count * shape[last]! <= SMALL_MATRIX) {
    const indices = Array.from({ length: spaced.count }, (_, i) => spaced.start + i * spaced.step);
    const whole = { start: 0, step: 1, count: shape[last]! };
    return sliceAdjoint(g, multiplyByChoice(g, dy, last, indices, shape[last]!), slices.with(last, whole), shape);
  }
  const backward = slices.flatMap(({ step, count }, axis) => (step < 0 && count > 1 ? [axis] : []));
  const forward = slices.map(({ start, step, count }) => {
    if (count === 1) return { start, step: 1, count };
    return step > 0 ? { start, step, count } : { start: start + (count - 1) * step, step: -step, count };
  });
  const spread = spreadOut(
    g,
    g.reverse(dy, backward),
    forward.map(({ step }) => step),
  );
  return g.pad(
    spread,
    forward.map(({ start }) => start),
    forward.map(({ start, step, count }, axis) => shape[axis]! - start - count * step),
  );
}

/** Puts step − 1 zeros after every element along each axis: pads a new axis behind it, then joins the two. */
function spreadOut(g: GraphBuilder, x: Value, steps: readonly number[]): Value {
  if (steps.every((step) => step === 1)) return x;
  const separate = x.shape.flatMap((length, axis) => (steps[axis] === 1 ? [length] : [length, 1]));
  const room = steps.flatMap((step) => (step === 1 ? [0] : [0, step - 1]));
  const padded = g.pad(
    g.reshape(x, separate),
    room.map(() => 0),
    room,
  );
  return g.reshape(
    padded,
    x.shape.map((length, axis) => length * steps[axis]!),
  );
}

/**
 * The adjoint of y = x[.., indices[i], ..] along one axis of `length` elements, for constant indices, which may
 * repeat: dx[.., j, ..] = Σ dy[.., i, ..] over the i with indices[i] = j.
 */
export function selectionAdjoint(
  g: GraphBuilder,
  dy: Value,
  axis: number,
  indices: ArrayLike<number>,
  length: number,
): Value {
  const list = Array.from(indices);
  if (list.length === 0) return g.constant(0, dy.shape.with(axis, length), dy);
  const runs = findRuns(list);
  if (runs.length === 1 && runs[0]!.step !== 0) return runAdjoint(g, dy, axis, runs[0]!, length);
  const repeats = list.length / length;
  const uniform = Number.isInteger(repeats) && list.every((index, i) => index === Math.floor(i / repeats));
  const size = list.length * length;
  if (size <= SMALL_MATRIX && (uniform || around(dy.shape, axis).inner === 1)) {
    return multiplyByChoice(g, dy, axis, list, length);
  }
  if (uniform) return g.reduceSum(g.reshape(dy, dy.shape.toSpliced(axis, 1, length, repeats)), [axis + 1]);
  if (runs.length <= MOST_RUNS) return g.sum(runs.map((run) => runAdjoint(g, dy, axis, run, length)));
  if (new Set(list).size === list.length) return placeAlong(g, dy, axis, list, length);
  return size <= LARGEST_MATRIX
    ? multiplyByChoice(g, dy, axis, list, length)
    : scatterAlong(g, dy, axis, g.integers(list), length);
}

/** The adjoint of a selection as a product with its 0-1 matrix, transposed. */
function multiplyByChoice(g: GraphBuilder, dy: Value, axis: number, indices: readonly number[], length: number): Value {
  const data = new Float64Array(length * indices.length);
  indices.forEach((index, i) => {
    data[index * indices.length + i] = 1;
  });
  return multiplyAlong(g, dy, axis, { rows: length, columns: indices.length, data });
}

/** A stretch of equally spaced indices: `count` of them from position `offset` of the list. */
interface Run extends AxisSlice {
  offset: number;
}

function findRuns(indices: readonly number[]): Run[] {
  const runs: Run[] = [];
  for (let i = 0; i < indices.length; ) {
    const step = i + 1 < indices.length ? indices[i + 1]! - indices[i]! : 1;
    let end = i + 1;
    while (end < indices.length && indices[end]! - indices[end - 1]! === step) end += 1;
    runs.push({ offset: i, start: indices[i]!, step: end === i + 1 ? 1 : step, count: end - i });
    i = end;
  }
  return runs;
}

function runAdjoint(
  g: GraphBuilder,
  dy: Value,
  axis: number,
  { offset, start, step, count }: Run,
  length: number,
): Value {
  const part = g.slice(dy, { starts: [offset], ends: [offset + count], axes: [axis] });
  const placed = step === 0 ? g.reduceSum(part, [axis], true) : part;
  const slices: AxisSlice[] = placed.shape.map((size) => ({ start: 0, step: 1, count: size }));
  slices[axis] = step === 0 ? { start, step: 1, count: 1 } : { start, step, count };
  return sliceAdjoint(g, placed, slices, dy.shape.with(axis, length));
}

/** Distinct indices: each position takes the one element that goes there, or a zero appended for the purpose. */
function placeAlong(g: GraphBuilder, dy: Value, axis: number, indices: readonly number[], length: number): Value {
  const origin: number[] = new Array(length).fill(indices.length);
  indices.forEach((index, i) => {
    origin[index] = i;
  });
  const none = dy.shape.map(() => 0);
  const source = indices.length === length ? dy : g.pad(dy, none, none.with(axis, 1));
  return g.gather(source, g.integers(origin), axis);
}

/** The same for positions known at run time only (a vector, int32 or int64), through a scatter along the first axis. */
export function scatterAlong(g: GraphBuilder, dy: Value, axis: number, indices: Value, length: number): Value {
  const order = [axis, ...dy.shape.map((_, k) => k).filter((k) => k !== axis)];
  const updates = g.transpose(dy, order);
  const target = g.constant(0, updates.shape.with(0, length), dy);
  const positions = g.reshape(g.cast(indices, 'int64'), [updates.shape[0]!, 1]);
  const sum = g.op('ScatterND', [target, positions, updates], { reduction: 'add' });
  return g.transpose(
    sum,
    order.map((_, k) => order.indexOf(k)),
  );
}
