/** @file Operators that pick or replace elements by index. */
import { ShapeError } from '../errors.ts';
import type { NumericArray } from '../evaluate/array.ts';
import { describeNode, sizeOf } from '../graph.ts';
import { numbersOf, optionalNumbers } from './movement.ts';
import { constantNumbers, normalizeAxis, type Operator, required } from './operator.ts';
import { copyStrided, emptyLike, selectAlong, stridesOf } from './strided.ts';

/** What a Slice takes of one axis: `count` elements from `start`, `step` apart (never 0, possibly negative). */
export interface AxisSlice {
  start: number;
  step: number;
  count: number;
}

/** ONNX's clamping rules: negative positions count from the end, and positions beyond an end mean that end. */
export function sliceAxis(length: number, start: number, end: number, step: number): AxisSlice {
  if (step === 0) throw new ShapeError('the step of a Slice must not be 0');
  const clamp = (position: number, low: number, high: number) =>
    Math.min(Math.max(position < 0 ? position + length : position, low), high);
  const [low, high] = step > 0 ? [0, length] : [-1, length - 1];
  const first = clamp(start, step > 0 ? low : 0, high);
  const count = length === 0 ? 0 : Math.max(0, Math.ceil((clamp(end, low, high) - first) / step));
  return { start: count === 0 ? 0 : first, step, count };
}

/** What a Slice takes of every axis, from its inputs. */
export function slicesOf(
  shape: readonly number[],
  starts: readonly number[],
  ends: readonly number[],
  axes: readonly number[] | undefined,
  steps: readonly number[] | undefined,
): AxisSlice[] {
  const slices: AxisSlice[] = shape.map((count) => ({ start: 0, step: 1, count }));
  starts.forEach((start, i) => {
    const axis = normalizeAxis(axes?.[i] ?? i, shape.length, 'Slice');
    slices[axis] = sliceAxis(shape[axis]!, start, ends[i]!, steps?.[i] ?? 1);
  });
  return slices;
}

const slice: Operator = {
  attributes: {},
  infer(context) {
    const { dtype, shape } = required(context, 0);
    const slices = slicesOf(
      shape,
      constantNumbers(context, 1),
      constantNumbers(context, 2),
      optionalNumbers(context, 3),
      optionalNumbers(context, 4),
    );
    return [{ dtype, shape: slices.map(({ count }) => count) }];
  },
  evaluate(context) {
    const x = context.inputs[0]!;
    const slices = slicesOf(
      x.shape,
      numbersOf(context, 1)!,
      numbersOf(context, 2)!,
      numbersOf(context, 3),
      numbersOf(context, 4),
    );
    const shape = slices.map(({ count }) => count);
    const strides = stridesOf(x.shape);
    const data = emptyLike(
      x.data,
      shape.reduce((size, d) => size * d, 1),
    );
    copyStrided(
      shape,
      {
        data: x.data,
        offset: slices.reduce((sum, { start }, axis) => sum + start * strides[axis]!, 0),
        strides: slices.map(({ step }, axis) => step * strides[axis]!),
      },
      { data, offset: 0, strides: stridesOf(shape) },
    );
    return [{ dtype: x.dtype, shape, data }];
  },
};

function normalizeIndex(index: number, length: number, what: string): number {
  const position = index < 0 ? index + length : index;
  if (position < 0 || position >= length) {
    throw new ShapeError(`index ${index} of ${what} is out of range for ${length}`);
  }
  return position;
}

/** Indices with negative ones counted from the end; a ShapeError when one is out of range. */
export const normalizeIndices = (indices: ArrayLike<number>, length: number, what: string): Int32Array =>
  Int32Array.from(indices, (index) => normalizeIndex(index, length, what));

const gather: Operator = {
  attributes: { axis: { kind: 'int', default: 0 } },
  infer(context) {
    const { dtype, shape } = required(context, 0);
    if (shape.length === 0) throw new ShapeError(`${describeNode(context.node)} cannot take elements of a scalar`);
    const axis = normalizeAxis(context.attributes.axis, shape.length, describeNode(context.node));
    return [{ dtype, shape: [...shape.slice(0, axis), ...required(context, 1).shape, ...shape.slice(axis + 1)] }];
  },
  evaluate({ inputs, attributes }) {
    const x = inputs[0]!;
    const axis = normalizeAxis(attributes.axis, x.shape.length, 'Gather');
    const indices = normalizeIndices(inputs[1]!.data, x.shape[axis]!, 'Gather');
    const { dtype, data } = selectAlong(x, axis, indices);
    return [{ dtype, data, shape: [...x.shape.slice(0, axis), ...inputs[1]!.shape, ...x.shape.slice(axis + 1)] }];
  },
};

/** Where in the data each element of GatherElements' or ScatterElements' indices points, as a flat position. */
export function elementPositions(
  indices: NumericArray,
  dataShape: readonly number[],
  axis: number,
  what: string,
): Int32Array {
  const strides = stridesOf(dataShape);
  const along = normalizeIndices(indices.data, dataShape[axis]!, what);
  const index = dataShape.map(() => 0);
  let base = 0;
  for (let i = 0; i < along.length; i++) {
    along[i] = along[i]! * strides[axis]! + base;
    for (let k = index.length - 1; k >= 0; k--) {
      const stride = k === axis ? 0 : strides[k]!;
      index[k] = index[k]! + 1;
      base += stride;
      if (index[k]! < indices.shape[k]!) break;
      base -= stride * index[k]!;
      index[k] = 0;
    }
  }
  return along;
}

/** Where each index tuple of GatherND or ScatterND points: flat positions of blocks of `size` elements. */
export function blockPositions(
  indices: NumericArray,
  dataShape: readonly number[],
  batchDims: number,
  what: string,
): { positions: Int32Array; size: number } {
  const depth = indices.shape.at(-1)!;
  const strides = stridesOf(dataShape);
  const count = sizeOf(indices.shape.slice(0, -1));
  const batches = sizeOf(dataShape.slice(0, batchDims));
  const batchSize = sizeOf(dataShape.slice(batchDims));
  const positions = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    let position = Math.floor((i * batches) / count) * batchSize;
    for (let k = 0; k < depth; k++) {
      const axis = batchDims + k;
      position += normalizeIndex(indices.data[i * depth + k]!, dataShape[axis]!, what) * strides[axis]!;
    }
    positions[i] = position;
  }
  return { positions, size: sizeOf(dataShape.slice(batchDims + depth)) };
}

const gatherElements: Operator = {
  attributes: { axis: { kind: 'int', default: 0 } },
  infer(context) {
    const { dtype, shape } = required(context, 0);
    const indices = required(context, 1).shape;
    const axis = normalizeAxis(context.attributes.axis, shape.length, describeNode(context.node));
    if (indices.length !== shape.length || indices.some((d, k) => k !== axis && d > shape[k]!)) {
      throw new ShapeError(`indices [${indices}] of ${describeNode(context.node)} do not fit the data [${shape}]`);
    }
    return [{ dtype, shape: indices }];
  },
  evaluate({ inputs, attributes }) {
    const x = inputs[0]!;
    const axis = normalizeAxis(attributes.axis, x.shape.length, 'GatherElements');
    const positions = elementPositions(inputs[1]!, x.shape, axis, 'GatherElements');
    const data = emptyLike(x.data, positions.length);
    for (let i = 0; i < positions.length; i++) data[i] = x.data[positions[i]!]!;
    return [{ dtype: x.dtype, shape: inputs[1]!.shape, data }];
  },
};

const gatherND: Operator = {
  attributes: { batch_dims: { kind: 'int', default: 0 } },
  infer(context) {
    const { dtype, shape } = required(context, 0);
    const indices = required(context, 1).shape;
    const depth = indices.at(-1) ?? 0;
    const batchDims: number = context.attributes.batch_dims;
    const batchesDiffer = shape.slice(0, batchDims).some((d, axis) => d !== indices[axis]);
    if (
      depth < 1 ||
      batchDims < 0 ||
      batchDims + depth > shape.length ||
      batchDims >= indices.length ||
      batchesDiffer
    ) {
      throw new ShapeError(`indices [${indices}] of ${describeNode(context.node)} do not fit the data [${shape}]`);
    }
    return [{ dtype, shape: [...indices.slice(0, -1), ...shape.slice(batchDims + depth)] }];
  },
  evaluate({ inputs, attributes }) {
    const x = inputs[0]!;
    const indices = inputs[1]!;
    const { positions, size } = blockPositions(indices, x.shape, attributes.batch_dims, 'GatherND');
    const data = emptyLike(x.data, positions.length * size);
    positions.forEach((position, i) => {
      data.set(x.data.subarray(position, position + size), i * size);
    });
    const shape = [...indices.shape.slice(0, -1), ...x.shape.slice(attributes.batch_dims + indices.shape.at(-1)!)];
    return [{ dtype: x.dtype, shape, data }];
  },
};

export const indexing: Record<string, Operator> = {
  Slice: slice,
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
};
