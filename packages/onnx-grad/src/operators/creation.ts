/** @file Operators that make tensors of shapes, positions or given numbers. */
import { dataTypeOf } from '../element-types.ts';
import { ShapeError } from '../errors.ts';
import { type NumericArray, toNumeric } from '../evaluate/array.ts';
import { type DataType, describeNode, sizeOf, type Tensor } from '../graph.ts';
import {
  type AttributeValues,
  constantNumbers,
  likeInput,
  normalizeAxis,
  type Operator,
  required,
} from './operator.ts';
import { around, emptyLike, stridesOf } from './strided.ts';

/** Shape's window [start, end) of the axes; positions beyond the rank are cut off. */
function shapeWindow(shape: readonly number[], { start, end }: AttributeValues): number[] {
  const clamp = (axis: number) => Math.min(Math.max(axis < 0 ? axis + shape.length : axis, 0), shape.length);
  return shape.slice(clamp(start), clamp(end ?? shape.length));
}

const shapeOperator: Operator = {
  attributes: { start: { kind: 'int', default: 0 }, end: { kind: 'int' } },
  infer(context) {
    return [{ dtype: 'int64', shape: [shapeWindow(required(context, 0).shape, context.attributes).length] }];
  },
  evaluate({ inputs, attributes }) {
    const window = shapeWindow(inputs[0]!.shape, attributes);
    return [{ dtype: 'int64', shape: [window.length], data: Float64Array.from(window) }];
  },
};

const size: Operator = {
  attributes: {},
  infer: () => [{ dtype: 'int64', shape: [] }],
  evaluate: ({ inputs }) => [{ dtype: 'int64', shape: [], data: Float64Array.of(sizeOf(inputs[0]!.shape)) }],
};

/** The tensor that a Constant's attributes hold. */
function constantTensor(attributes: AttributeValues): Tensor {
  const { value, value_float, value_floats, value_int, value_ints, value_string, value_strings } = attributes;
  if (value !== undefined) return value;
  if (value_float !== undefined) return { dtype: 'float32', shape: [], data: Float32Array.of(value_float) };
  if (value_floats !== undefined) {
    return { dtype: 'float32', shape: [value_floats.length], data: Float32Array.from(value_floats) };
  }
  if (value_int !== undefined) return { dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(value_int)) };
  if (value_ints !== undefined) {
    return { dtype: 'int64', shape: [value_ints.length], data: BigInt64Array.from(value_ints as number[], BigInt) };
  }
  if (value_string !== undefined) return { dtype: 'string', shape: [], data: [value_string] };
  if (value_strings !== undefined) return { dtype: 'string', shape: [value_strings.length], data: [...value_strings] };
  throw new ShapeError('a Constant node has no value');
}

const constant: Operator = {
  attributes: {
    value: { kind: 'tensor' },
    value_float: { kind: 'float' },
    value_floats: { kind: 'floats' },
    value_int: { kind: 'int' },
    value_ints: { kind: 'ints' },
    value_string: { kind: 'string' },
    value_strings: { kind: 'strings' },
  },
  infer(context) {
    try {
      const { dtype, shape } = constantTensor(context.attributes);
      return [{ dtype, shape }];
    } catch {
      throw new ShapeError(`${describeNode(context.node)} has no value`);
    }
  },
  evaluate: ({ attributes }) => [toNumeric(constantTensor(attributes))],
};

const constantOfShape: Operator = {
  attributes: { value: { kind: 'tensor' } },
  infer(context) {
    const value: Tensor | undefined = context.attributes.value;
    return [{ dtype: value?.dtype ?? 'float32', shape: constantNumbers(context, 0) }];
  },
  evaluate({ inputs, attributes }) {
    const shape = Array.from(inputs[0]!.data);
    const value = attributes.value === undefined ? undefined : toNumeric(attributes.value);
    const data = value === undefined ? new Float32Array(sizeOf(shape)) : emptyLike(value.data, sizeOf(shape));
    return [{ dtype: value?.dtype ?? 'float32', shape, data: data.fill(value?.data[0] ?? 0) }];
  },
};

/** How many numbers start, start + delta, ... lie below (or above) limit. */
function rangeLength(start: number, limit: number, delta: number): number {
  if (delta === 0) throw new ShapeError('the step of a Range must not be 0');
  return Math.max(0, Math.ceil((limit - start) / delta));
}

const range: Operator = {
  attributes: {},
  infer(context) {
    const [start, limit, delta] = [0, 1, 2].map((i) => constantNumbers(context, i)[0]!) as [number, number, number];
    return [{ dtype: required(context, 0).dtype, shape: [rangeLength(start, limit, delta)] }];
  },
  evaluate({ inputs }) {
    const [start, limit, delta] = inputs.map((input) => input!.data[0]!) as [number, number, number];
    const length = rangeLength(start, limit, delta);
    const data = Float64Array.from({ length }, (_, i) => start + i * delta);
    return [{ dtype: inputs[0]!.dtype, shape: [length], data }];
  },
};

const oneHot: Operator = {
  attributes: { axis: { kind: 'int', default: -1 } },
  infer(context) {
    const { shape } = required(context, 0);
    const axis = normalizeAxis(context.attributes.axis, shape.length + 1, describeNode(context.node));
    return [{ dtype: required(context, 2).dtype, shape: shape.toSpliced(axis, 0, constantNumbers(context, 1)[0]!) }];
  },
  evaluate({ inputs, attributes }) {
    const indices = inputs[0]!;
    const depth = inputs[1]!.data[0]!;
    const values = inputs[2]!;
    const axis = normalizeAxis(attributes.axis, indices.shape.length + 1, 'OneHot');
    const shape = indices.shape.toSpliced(axis, 0, depth);
    const { inner } = around(shape, axis);
    const data = emptyLike(values.data, sizeOf(shape)).fill(values.data[0]!);
    indices.data.forEach((index, i) => {
      const position = index < 0 ? index + depth : index;
      // An index out of range has no hot element.
      if (position < 0 || position >= depth) return;
      data[(Math.floor(i / inner) * depth + Math.trunc(position)) * inner + (i % inner)] = values.data[1]!;
    });
    return [{ dtype: values.dtype, shape, data }];
  },
};

/** Coordinates of the elements that are not 0, one column each, in row-major order. */
function nonZeroCoordinates({ shape, data }: NumericArray): NumericArray {
  const flat: number[] = [];
  data.forEach((x, i) => {
    if (x !== 0) flat.push(i);
  });
  // ONNX Runtime takes a scalar for a vector of one element.
  const dimensions = shape.length === 0 ? [1] : shape;
  const coordinates = stridesOf(dimensions).flatMap((stride, axis) =>
    flat.map((i) => Math.floor(i / stride) % dimensions[axis]!),
  );
  return { dtype: 'int64', shape: [dimensions.length, flat.length], data: Float64Array.from(coordinates) };
}

const nonZero: Operator = {
  attributes: {},
  infer(context) {
    const { constant: tensor } = required(context, 0);
    if (tensor === undefined) {
      throw new ShapeError(
        `the size of ${describeNode(context.node)} depends on the data: its input must be a constant after specialisation`,
      );
    }
    return [{ dtype: 'int64', shape: nonZeroCoordinates(toNumeric(tensor)).shape }];
  },
  evaluate: ({ inputs }) => [nonZeroCoordinates(inputs[0]!)],
};

const eyeLikeType = (dtype: DataType, code: number | undefined): DataType =>
  code === undefined ? dtype : dataTypeOf(code, 'an EyeLike node');

const eyeLike: Operator = {
  attributes: { dtype: { kind: 'int' }, k: { kind: 'int', default: 0 } },
  infer(context) {
    const { dtype, shape } = required(context, 0);
    if (shape.length !== 2) throw new ShapeError(`${describeNode(context.node)} needs a matrix, not [${shape}]`);
    return [{ dtype: eyeLikeType(dtype, context.attributes.dtype), shape }];
  },
  evaluate({ inputs, attributes }) {
    const { dtype, shape } = inputs[0]!;
    const [rows, columns] = shape as [number, number];
    const data = new Float64Array(rows * columns);
    for (let row = Math.max(0, -attributes.k); row < rows && row + attributes.k < columns; row++) {
      data[row * columns + row + attributes.k] = 1;
    }
    return [{ dtype: eyeLikeType(dtype, attributes.dtype), shape, data }];
  },
};

const trilu: Operator = {
  attributes: { upper: { kind: 'int', default: 1 } },
  infer(context) {
    if (required(context, 0).shape.length < 2) {
      throw new ShapeError(`${describeNode(context.node)} needs at least rank 2, not [${required(context, 0).shape}]`);
    }
    return [likeInput(context)];
  },
  evaluate({ inputs, attributes }) {
    const { dtype, shape, data: source } = inputs[0]!;
    const k = inputs[1]?.data[0] ?? 0;
    const [rows, columns] = shape.slice(-2) as [number, number];
    const data = source.slice();
    for (let i = 0; i < data.length; i++) {
      const diagonal = (i % columns) - (Math.floor(i / columns) % rows);
      if (attributes.upper === 1 ? diagonal < k : diagonal > k) data[i] = 0;
    }
    return [{ dtype, shape, data }];
  },
};

export const creation: Record<string, Operator> = {
  Shape: shapeOperator,
  Size: size,
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Range: range,
  OneHot: oneHot,
  NonZero: nonZero,
  EyeLike: eyeLike,
  Trilu: trilu,
};
