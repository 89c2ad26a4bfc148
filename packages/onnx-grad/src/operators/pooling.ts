/** @file Pooling over one or more spatial axes. */
import { ShapeError } from '../errors.ts';
import { type NumericArray, zeros } from '../evaluate/array.ts';
import { describeNode, sizeOf } from '../graph.ts';
import { type AttributeTable, type AttributeValues, type Operator, required } from './operator.ts';
import { forEachTap, slidingWindow, type Window, type WindowAttributes, windowAttributes } from './window.ts';

export interface PoolAttributes extends WindowAttributes {
  readonly kernel_shape?: readonly number[];
}

/** Resolves the window of a pooling node over `x` [N, C, ...]. */
export function poolWindow(attributes: PoolAttributes, x: readonly number[], what: string): Window {
  if (x.length < 3) throw new ShapeError(`${what}: the input has shape [${x}], expected [N, C, ...]`);
  if (attributes.kernel_shape === undefined) throw new ShapeError(`${what} lacks its attribute 'kernel_shape'`);
  const window = slidingWindow(attributes, attributes.kernel_shape, x.slice(2), what);
  const { kernel, before, after } = window;
  if (kernel.some((taps, axis) => before[axis]! >= taps || after[axis]! >= taps)) {
    throw new ShapeError(`${what}: padding [${before}, ${after}] has to be smaller than the window [${kernel}]`);
  }
  return window;
}

/**
 * How many elements each window of an AveragePool divides by: a list of counts for each spatial axis, of which a window's
 * divisor is the product.
 */
export function averageDivisors(window: Window, image: readonly number[], includePadding: boolean): number[][] {
  return image.map((length, axis) => {
    // With padding counted, the divisor is the part of the window inside the padded image: less than the whole only
    // where ceil_mode lets it reach further.
    const before = window.before[axis]!;
    const lowest = includePadding ? -before : 0;
    const highest = (includePadding ? length + window.after[axis]! : length) - 1;
    const dilation = window.dilations[axis]!;
    return Array.from({ length: window.output[axis]! }, (_, position) => {
      const start = position * window.strides[axis]! - before;
      const first = Math.max(0, Math.ceil((lowest - start) / dilation));
      const last = Math.min(window.kernel[axis]! - 1, Math.floor((highest - start) / dilation));
      return Math.max(0, last - first + 1);
    });
  });
}

/** Calls `visit` with flat indices into x and y for every input a pooling window reads, taps in row-major order. */
function forEachPooled(
  window: Window,
  shape: readonly number[],
  visit: (output: number, input: number, spatialInput: number) => void,
): void {
  const image = shape.slice(2);
  const imageSize = sizeOf(image);
  const outputSize = sizeOf(window.output);
  const planes = shape[0]! * shape[1]!;
  forEachTap(window, image, (output, input) => {
    for (let plane = 0; plane < planes; plane += 1)
      visit(plane * outputSize + output, plane * imageSize + input, input);
  });
}

const inferPool: Operator['infer'] = (context) => {
  const { dtype, shape } = required(context, 0);
  const window = poolWindow(context.attributes as PoolAttributes, shape, describeNode(context.node));
  return [{ dtype, shape: [shape[0]!, shape[1]!, ...window.output] }];
};

const pooledShape = (shape: readonly number[], window: Window): number[] => [shape[0]!, shape[1]!, ...window.output];

const MaxPool: Operator = {
  attributes: {
    ...windowAttributes,
    ceil_mode: { kind: 'int', default: 0 },
    dilations: { kind: 'ints' },
    storage_order: { kind: 'int', default: 0 },
  },
  infer(context) {
    const [y] = inferPool(context);
    return context.outputCount > 1 ? [y!, { dtype: 'int64', shape: y!.shape }] : [y!];
  },
  evaluate({ attributes, inputs, outputCount }) {
    const x = inputs[0]!;
    const window = poolWindow(attributes as PoolAttributes, x.shape, 'MaxPool');
    const y = zeros(x.dtype, pooledShape(x.shape, window));
    const indices = zeros('int64', y.shape);
    y.data.fill(Number.NEGATIVE_INFINITY);
    indices.data.fill(-1);
    forEachPooled(window, x.shape, (output, input, spatial) => {
      if (x.data[input]! <= y.data[output]! && indices.data[output]! >= 0) return;
      y.data[output] = x.data[input]!;
      indices.data[output] = input - spatial + storedIndex(spatial, x.shape.slice(2), attributes);
    });
    return outputCount > 1 ? [y, indices] : [y];
  },
};

/** A spatial index in the order the Indices output counts in: row-major, or column-major where `storage_order` is 1. */
function storedIndex(index: number, image: readonly number[], { storage_order }: AttributeValues): number {
  if (storage_order !== 1) return index;
  const position = image.map((length, axis) => Math.floor(index / sizeOf(image.slice(axis + 1))) % length);
  return position.reduceRight((total, p, axis) => total * image[axis]! + p, 0);
}

const AveragePool: Operator = {
  attributes: {
    ...windowAttributes,
    ceil_mode: { kind: 'int', default: 0 },
    count_include_pad: { kind: 'int', default: 0 },
  },
  infer: inferPool,
  evaluate({ attributes, inputs }) {
    const x = inputs[0]!;
    const window = poolWindow(attributes as PoolAttributes, x.shape, 'AveragePool');
    const y = zeros(x.dtype, pooledShape(x.shape, window));
    const counts = averageDivisors(window, x.shape.slice(2), attributes.count_include_pad === 1);
    const divisors = counts.reduce((outer, inner) => outer.flatMap((a) => inner.map((b) => a * b)), [1]);
    forEachPooled(window, x.shape, (output, input) => {
      y.data[output] = y.data[output]! + x.data[input]! / divisors[output % divisors.length]!;
    });
    return [y];
  },
};

const LpPool: Operator = {
  attributes: {
    ...windowAttributes,
    ceil_mode: { kind: 'int', default: 0 },
    dilations: { kind: 'ints' },
    p: { kind: 'int', default: 2 },
  },
  infer: inferPool,
  evaluate({ attributes, inputs }) {
    const x = inputs[0]!;
    const window = poolWindow(attributes as PoolAttributes, x.shape, 'LpPool');
    const y = zeros(x.dtype, pooledShape(x.shape, window));
    forEachPooled(window, x.shape, (output, input) => {
      y.data[output] = y.data[output]! + Math.abs(x.data[input]!) ** attributes.p;
    });
    for (let i = 0; i < y.data.length; i += 1) y.data[i] = y.data[i]! ** (1 / attributes.p);
    return [y];
  },
};

/** Pooling of each plane to one number. */
function globalPool(
  attributes: AttributeTable,
  reduce: (plane: Float64Array, attributes: AttributeValues) => number,
): Operator {
  return {
    attributes,
    infer(context) {
      const { dtype, shape } = required(context, 0);
      if (shape.length < 3)
        throw new ShapeError(`${describeNode(context.node)}: the input has shape [${shape}], expected [N, C, ...]`);
      return [{ dtype, shape: globalShape(shape) }];
    },
    evaluate({ attributes, inputs }): NumericArray[] {
      const x = inputs[0]!;
      const y = zeros(x.dtype, globalShape(x.shape));
      const size = sizeOf(x.shape.slice(2));
      for (let i = 0; i < y.data.length; i += 1) {
        y.data[i] = reduce(Float64Array.from(x.data.subarray(i * size, (i + 1) * size)), attributes);
      }
      return [y];
    },
  };
}

const globalShape = (shape: readonly number[]): number[] => shape.map((length, axis) => (axis < 2 ? length : 1));

const GlobalAveragePool = globalPool({}, (plane) => plane.reduce((total, value) => total + value, 0) / plane.length);

const GlobalMaxPool = globalPool({}, (plane) => plane.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY));

const GlobalLpPool = globalPool(
  { p: { kind: 'int', default: 2 } },
  (plane, { p }) => plane.reduce((total, value) => total + Math.abs(value) ** p, 0) ** (1 / p),
);

export const pooling: Record<string, Operator> = {
  MaxPool,
  AveragePool,
  LpPool,
  GlobalAveragePool,
  GlobalMaxPool,
  GlobalLpPool,
};
