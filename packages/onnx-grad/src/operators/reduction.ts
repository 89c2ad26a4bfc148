/** @file Reductions over a set of axes, given as a constant input. */
import type { NumericArray } from '../evaluate/array.ts';
import { eachRow } from '../evaluate/broadcast.ts';
import { type DataType, describeNode, isFloat, sizeOf } from '../graph.ts';
import { type AttributeValues, constantNumbers, normalizeAxis, type Operator, required } from './operator.ts';

/** The axes a reduction runs over; none given means all, or none with `noop_with_empty_axes`. */
export function reducedAxes(
  axes: readonly number[] | undefined,
  rank: number,
  a: AttributeValues,
  what: string,
): number[] {
  if (axes === undefined || axes.length === 0) {
    return a.noop_with_empty_axes ? [] : Array.from({ length: rank }, (_, axis) => axis);
  }
  return axes.map((axis) => normalizeAxis(axis, rank, what));
}

/** `shape` with the reduced axes of length 1. */
export const keptShape = (shape: readonly number[], axes: readonly number[]): number[] =>
  shape.map((length, axis) => (axes.includes(axis) ? 1 : length));

/** A fold with a start; `finish` turns the fold of n elements into the result. */
interface Reduction {
  start: number;
  step(total: number, x: number): number;
  finish?(total: number, n: number, dtype: DataType): number;
}

const add = (total: number, x: number): number => total + x;

const REDUCTIONS: Record<string, Reduction> = {
  ReduceSum: { start: 0, step: add },
  ReduceMean: {
    start: 0,
    step: add,
    finish: (total, n, dtype) => (isFloat(dtype) ? total / n : Math.trunc(total / n)),
  },
  ReduceMax: { start: Number.NEGATIVE_INFINITY, step: (total, x) => (x > total || Number.isNaN(x) ? x : total) },
  ReduceMin: { start: Number.POSITIVE_INFINITY, step: (total, x) => (x < total || Number.isNaN(x) ? x : total) },
  ReduceProd: { start: 1, step: (total, x) => total * x },
  ReduceL1: { start: 0, step: (total, x) => total + Math.abs(x) },
  ReduceL2: { start: 0, step: (total, x) => total + x * x, finish: (total) => Math.sqrt(total) },
  ReduceSumSquare: { start: 0, step: (total, x) => total + x * x },
  ReduceLogSum: { start: 0, step: add, finish: (total) => Math.log(total) },
};

/** Folds x over the axes that are 1 in `kept`. */
function fold(x: NumericArray, kept: readonly number[], { start, step, finish }: Reduction): Float64Array {
  const result = new Float64Array(sizeOf(kept)).fill(start);
  eachRow(x.shape, [kept], (first, length, [offset = 0], [stride = 0]) => {
    for (let i = first, o = offset; i < first + length; i++, o += stride) result[o] = step(result[o]!, x.data[i]!);
  });
  if (finish) {
    const n = result.length === 0 ? 0 : x.data.length / result.length;
    for (let o = 0; o < result.length; o++) result[o] = finish(result[o]!, n, x.dtype);
  }
  return result;
}

/** log Σ exp x, shifted by the maximum so that nothing overflows. */
function logSumExp(x: NumericArray, kept: readonly number[]): Float64Array {
  const shift = fold(x, kept, REDUCTIONS.ReduceMax!).map((maximum) => (Number.isFinite(maximum) ? maximum : 0));
  const total = new Float64Array(shift.length);
  eachRow(x.shape, [kept], (first, length, [offset = 0], [stride = 0]) => {
    for (let i = first, o = offset; i < first + length; i++, o += stride) total[o]! += Math.exp(x.data[i]! - shift[o]!);
  });
  return total.map((sum, o) => Math.log(sum) + shift[o]!);
}

const reduce = (evaluate: (x: NumericArray, kept: readonly number[]) => Float64Array): Operator => ({
  attributes: { keepdims: { kind: 'int', default: 1 }, noop_with_empty_axes: { kind: 'int', default: 0 } },
  infer: (context) => {
    const { dtype, shape } = required(context, 0);
    const given = context.inputs[1] === undefined ? undefined : constantNumbers(context, 1);
    const axes = reducedAxes(given, shape.length, context.attributes, describeNode(context.node));
    return [
      {
        dtype,
        shape: context.attributes.keepdims ? keptShape(shape, axes) : shape.filter((_, i) => !axes.includes(i)),
      },
    ];
  },
  evaluate: ({ attributes, inputs: [x, given] }) => {
    const { dtype, shape } = x!;
    const axes = reducedAxes(given && Array.from(given.data), shape.length, attributes, 'a reduction');
    const kept = keptShape(shape, axes);
    return [
      {
        dtype,
        shape: attributes.keepdims ? kept : shape.filter((_, i) => !axes.includes(i)),
        data: evaluate(x!, kept),
      },
    ];
  },
});

export const reduction: Record<string, Operator> = {
  ...Object.fromEntries(
    Object.entries(REDUCTIONS).map(([name, step]) => [name, reduce((x, kept) => fold(x, kept, step))]),
  ),
  ReduceLogSumExp: reduce(logSumExp),
};
