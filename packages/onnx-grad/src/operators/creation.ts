/** @file Operators that make tensors of shapes, positions or given numbers. */
import { ShapeError } from '../errors.ts';
import { toNumeric } from '../evaluate/array.ts';
import { describeNode, sizeOf, type Tensor } from '../graph.ts';
import type { AttributeValues, Operator } from './operator.ts';
import { required } from './operator.ts';

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

export const creation: Record<string, Operator> = { Shape: shapeOperator, Size: size, Constant: constant };
