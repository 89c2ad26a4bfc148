/** @file Makes operator entries for functions that act element by element. */
import { ShapeError } from '../errors.ts';
import { mapBinary, mapUnary } from '../evaluate/broadcast.ts';
import { type DataType, describeNode } from '../graph.ts';
import {
  type AttributeTable,
  type AttributeValues,
  broadcastShapes,
  type InferContext,
  likeInput,
  type Operator,
  required,
} from './operator.ts';

/** The shape all inputs broadcast to. */
export function broadcastInputs(context: InferContext): number[] {
  return broadcastShapes(
    context.inputs.flatMap((input) => (input === undefined ? [] : [input.shape])),
    describeNode(context.node),
  );
}

/** The type that inputs `indices` share; a ShapeError when they differ, which ONNX forbids. */
export function commonType(context: InferContext, indices: readonly number[]): DataType {
  const types = indices.map((index) => required(context, index).dtype);
  if (types.some((dtype) => dtype !== types[0])) {
    throw new ShapeError(`the inputs of ${describeNode(context.node)} differ in type: ${types.join(', ')}`);
  }
  return types[0]!;
}

/** y = f(x), of the type of x or of `dtype`. */
export const unary = (f: (x: number) => number, dtype?: DataType): Operator => ({
  attributes: {},
  infer: (context) => [{ ...likeInput(context), ...(dtype && { dtype }) }],
  evaluate: ({ inputs: [x] }) => [mapUnary(x!, f, dtype)],
});

/** y = f(x) with attributes: `f` takes their values and returns the function. */
export const parametric = (attributes: AttributeTable, f: (a: AttributeValues) => (x: number) => number): Operator => ({
  attributes,
  infer: (context) => [likeInput(context)],
  evaluate: ({ attributes: values, inputs: [x] }) => [mapUnary(x!, f(values))],
});

/** y = f(a, b) with broadcasting, of the type of a or of `dtype`. */
export const binary = (f: (a: number, b: number) => number, dtype?: DataType): Operator => ({
  attributes: {},
  infer: (context) => [{ dtype: dtype ?? commonType(context, [0, 1]), shape: broadcastInputs(context) }],
  evaluate: ({ inputs: [a, b] }) => [mapBinary(a!, b!, broadcastShapes([a!.shape, b!.shape], 'the inputs'), f, dtype)],
});
