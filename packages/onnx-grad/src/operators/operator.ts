/**
 * @file What is known of an operator besides its gradient: its attributes with their defaults, the type and shape of
 * its outputs, and its value on numbers. All tables speak of the canonical operator set (see canonical/).
 */
import { ShapeError } from '../errors.ts';
import type { NumericArray } from '../evaluate/array.ts';
import { type Attribute, describeNode, type Node, type Tensor } from '../graph.ts';
import type { Value, ValueType } from '../value.ts';

export type AttributeKind = Exclude<Attribute['kind'], 'reference'>;

/** Kind and default of each attribute; a default of `undefined` means "absent". */
export type AttributeTable = Record<
  string,
  { kind: AttributeKind; default?: number | string | readonly number[] | Tensor }
>;

/** Attribute values by their ONNX names, defaults filled in. */
// biome-ignore lint/suspicious/noExplicitAny: each operator file states its own attribute interface
export type AttributeValues = Record<string, any>;

/** A node with its inputs looked up; `undefined` stands for an absent optional input. */
export interface InferContext {
  readonly node: Node;
  readonly attributes: AttributeValues;
  readonly inputs: readonly (Value | undefined)[];
  /** How many outputs the node names. */
  readonly outputCount: number;
}

export interface EvaluateContext {
  readonly attributes: AttributeValues;
  readonly inputs: readonly (NumericArray | undefined)[];
  readonly outputCount: number;
}

export interface Operator {
  readonly attributes: AttributeTable;
  /** Output types. Throws ShapeError when the inputs do not fit. */
  infer(context: InferContext): ValueType[];
  /** Output values in double precision: for folding constants, and the reference that gradients are tested against. */
  evaluate?(context: EvaluateContext): NumericArray[];
}

/** Reads a node's attributes through its operator's table. Unknown attributes are ignored, as ONNX Runtime's are errors. */
export function readAttributes(table: AttributeTable, node: Node): AttributeValues {
  const values: AttributeValues = {};
  for (const [name, entry] of Object.entries(table)) {
    const attribute = node.attributes[name];
    if (attribute !== undefined && attribute.kind !== entry.kind) {
      throw new ShapeError(
        `attribute '${name}' of ${describeNode(node)} is of kind ${attribute.kind}, expected ${entry.kind}`,
      );
    }
    values[name] = attribute === undefined ? entry.default : attribute.value;
  }
  return values;
}

/** The input at `index`, or a ShapeError that names the node. */
export function required(context: InferContext, index: number): Value {
  const value = context.inputs[index];
  if (value === undefined) throw new ShapeError(`${describeNode(context.node)} lacks its input ${index}`);
  return value;
}

/** The numbers of a constant input (axes, pads, shape ...); a ShapeError when it is only known at run time. */
export function constantNumbers(context: InferContext, index: number): number[] {
  const value = required(context, index);
  if (value.constant === undefined) {
    throw new ShapeError(
      `input ${index} of ${describeNode(context.node)} must be a constant after specialisation, but depends on the data`,
    );
  }
  return Array.from(value.constant.data as ArrayLike<number | bigint>, Number);
}

/** Normalises a possibly negative axis; throws when it is out of range. */
export function normalizeAxis(axis: number, rank: number, what: string): number {
  const normalized = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || normalized < 0 || normalized >= Math.max(rank, 1)) {
    throw new ShapeError(`axis ${axis} of ${what} is out of range for rank ${rank}`);
  }
  return normalized;
}

/** The shape two or more arrays broadcast to (NumPy rules). */
export function broadcastShapes(shapes: readonly (readonly number[])[], what: string): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const result: number[] = new Array(rank).fill(1);
  for (const shape of shapes) {
    shape.forEach((dimension, index) => {
      const position = rank - shape.length + index;
      const current = result[position]!;
      if (dimension === current || dimension === 1) return;
      if (current !== 1) {
        throw new ShapeError(`shapes ${shapes.map((s) => `[${s}]`).join(' and ')} of ${what} do not broadcast`);
      }
      result[position] = dimension;
    });
  }
  return result;
}

export const likeInput = (context: InferContext, index = 0): ValueType => {
  const { dtype, shape } = required(context, index);
  return { dtype, shape };
};
