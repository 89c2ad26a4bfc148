/** @file Matrix products. */
import { ShapeError } from '../errors.ts';
import type { NumericArray } from '../evaluate/array.ts';
import { describeNode, sizeOf } from '../graph.ts';
import { Einsum } from './einsum.ts';
import { broadcastShapes, type InferContext, type Operator, required } from './operator.ts';

export interface GemmAttributes {
  alpha: number;
  beta: number;
  transA: number;
  transB: number;
}

/** A product of stacks of matrices, one-dimensional operands promoted to a row (left) or a column (right). */
interface Product {
  /** The operands' shapes after promotion. */
  a: readonly number[];
  b: readonly number[];
  batch: readonly number[];
  rows: number;
  inner: number;
  columns: number;
  /** Shape of the result, without the promoted axes. */
  shape: readonly number[];
}

/** Splits the shapes of a MatMul into batch axes and matrix axes; throws ShapeError when they do not fit. */
export function matrixProduct(left: readonly number[], right: readonly number[], what: string): Product {
  if (left.length === 0 || right.length === 0) throw new ShapeError(`${what} cannot multiply a scalar`);
  const a = left.length === 1 ? [1, left[0]!] : left;
  const b = right.length === 1 ? [right[0]!, 1] : right;
  const [rows, inner] = a.slice(-2) as [number, number];
  const [innerRight, columns] = b.slice(-2) as [number, number];
  if (inner !== innerRight) throw new ShapeError(`${what} cannot multiply shapes [${left}] and [${right}]`);
  const batch = broadcastShapes([a.slice(0, -2), b.slice(0, -2)], what);
  const shape = [...batch, ...(left.length === 1 ? [] : [rows]), ...(right.length === 1 ? [] : [columns])];
  return { a, b, batch, rows, inner, columns, shape };
}

/** For each index into `batch`, the index into a stack of shape `shape` broadcast to it. */
function batchIndices(shape: readonly number[], batch: readonly number[]): number[] {
  let indices = [0];
  let count = 1;
  batch.forEach((dimension, axis) => {
    const own = shape[axis - (batch.length - shape.length)] ?? 1;
    const step = own === 1 ? 0 : 1;
    count *= own;
    indices = indices.flatMap((index) => Array.from({ length: dimension }, (_, i) => index * own + i * step));
  });
  return count === 0 ? [] : indices;
}

function multiply(a: NumericArray, b: NumericArray): NumericArray {
  const { batch, rows, inner, columns, shape, ...promoted } = matrixProduct(a.shape, b.shape, 'MatMul');
  const left = batchIndices(promoted.a.slice(0, -2), batch);
  const right = batchIndices(promoted.b.slice(0, -2), batch);
  const data = new Float64Array(sizeOf(shape));
  left.forEach((leftIndex, k) => {
    const aStart = leftIndex * rows * inner;
    const bStart = right[k]! * inner * columns;
    const start = k * rows * columns;
    for (let i = 0; i < rows; i++) {
      for (let p = 0; p < inner; p++) {
        const factor = a.data[aStart + i * inner + p]!;
        for (let j = 0; j < columns; j++) data[start + i * columns + j]! += factor * b.data[bStart + p * columns + j]!;
      }
    }
  });
  return { dtype: a.dtype, shape, data };
}

function transposed(matrix: NumericArray): NumericArray {
  const [rows, columns] = matrix.shape as [number, number];
  const data = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) data[j * rows + i] = matrix.data[i * columns + j]!;
  return { dtype: matrix.dtype, shape: [columns, rows], data };
}

function gemmShape(context: InferContext): [number, number] {
  const { transA, transB } = context.attributes as GemmAttributes;
  const a = required(context, 0).shape;
  const b = required(context, 1).shape;
  const what = describeNode(context.node);
  if (a.length !== 2 || b.length !== 2)
    throw new ShapeError(`${what} multiplies matrices, not shapes [${a}] and [${b}]`);
  const [rows, inner] = transA ? [a[1]!, a[0]!] : [a[0]!, a[1]!];
  const [innerRight, columns] = transB ? [b[1]!, b[0]!] : [b[0]!, b[1]!];
  if (inner !== innerRight) {
    throw new ShapeError(`${what} cannot multiply shapes [${a}] and [${b}] (transA ${transA}, transB ${transB})`);
  }
  const c = context.inputs[2]?.shape ?? [];
  if (broadcastShapes([[rows, columns], c], what).join() !== [rows, columns].join()) {
    throw new ShapeError(`${what} cannot add shape [${c}] to [${rows},${columns}]`);
  }
  return [rows, columns];
}

const MatMul: Operator = {
  attributes: {},
  infer(context) {
    const a = required(context, 0);
    const { shape } = matrixProduct(a.shape, required(context, 1).shape, describeNode(context.node));
    return [{ dtype: a.dtype, shape }];
  },
  evaluate: ({ inputs }) => [multiply(inputs[0]!, inputs[1]!)],
};

const Gemm: Operator = {
  attributes: {
    alpha: { kind: 'float', default: 1 },
    beta: { kind: 'float', default: 1 },
    transA: { kind: 'int', default: 0 },
    transB: { kind: 'int', default: 0 },
  },
  infer: (context) => [{ dtype: required(context, 0).dtype, shape: gemmShape(context) }],
  evaluate({ attributes, inputs }) {
    const { alpha, beta, transA, transB } = attributes as GemmAttributes;
    const a = transA ? transposed(inputs[0]!) : inputs[0]!;
    const b = transB ? transposed(inputs[1]!) : inputs[1]!;
    const product = multiply(a, b);
    const [rows, columns] = product.shape as [number, number];
    const c = inputs[2];
    const cColumns = c?.shape.at(-1) ?? 1;
    const cRows = c?.shape.at(-2) ?? 1;
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const k = i * columns + j;
        const addend = c ? c.data[(cRows === 1 ? 0 : i * cColumns) + (cColumns === 1 ? 0 : j)]! : 0;
        product.data[k] = alpha * product.data[k]! + beta * addend;
      }
    }
    return [product];
  },
};

export const linear: Record<string, Operator> = { MatMul, Gemm, Einsum };
