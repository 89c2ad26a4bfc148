/** @file What a lowering sees: a node of some operator set version, to be written in the canonical one. */
import type { AttributeInput, GraphBuilder } from '../builder.ts';
import { ModelError, UnsupportedOpError } from '../errors.ts';
import { type Attribute, describeNode, type Node } from '../graph.ts';
import { operators } from '../operators/index.ts';
import type { Value } from '../value.ts';

export interface LoweringContext {
  /** Where the replacement is written. What is constant is folded. */
  readonly g: GraphBuilder;
  /** The node as the model has it; its `inputs` are names of the model, not of `g`. */
  readonly node: Node;
  /** The operator set version the model declares for the node's domain. */
  readonly version: number;
  /** The node's inputs in `g`; undefined for an absent optional one. */
  readonly inputs: readonly (Value | undefined)[];
  /** How many outputs the node names. */
  readonly outputCount: number;
}

/** Writes a node with canonical operators and returns its outputs; undefined for one that nothing may read. */
export type Lowering = (context: LoweringContext) => (Value | undefined)[];

/** The input at `index`, or a ModelError that names the node. */
export function inputAt({ node, inputs }: LoweringContext, index: number): Value {
  const value = inputs[index];
  if (value === undefined) throw new ModelError(`${describeNode(node)} lacks its input ${index}`);
  return value;
}

function attributeOf<K extends Attribute['kind']>(
  { node }: LoweringContext,
  name: string,
  kind: K,
): (Attribute & { kind: K }) | undefined {
  const attribute = node.attributes[name];
  if (attribute === undefined) return undefined;
  if (attribute.kind !== kind) {
    throw new ModelError(`attribute '${name}' of ${describeNode(node)} is of kind ${attribute.kind}, expected ${kind}`);
  }
  return attribute as Attribute & { kind: K };
}

export function intAttribute(context: LoweringContext, name: string): number | undefined;
export function intAttribute(context: LoweringContext, name: string, fallback: number): number;
export function intAttribute(context: LoweringContext, name: string, fallback?: number): number | undefined {
  return attributeOf(context, name, 'int')?.value ?? fallback;
}

export function floatAttribute(context: LoweringContext, name: string): number | undefined;
export function floatAttribute(context: LoweringContext, name: string, fallback: number): number;
export function floatAttribute(context: LoweringContext, name: string, fallback?: number): number | undefined {
  return attributeOf(context, name, 'float')?.value ?? fallback;
}

export function stringAttribute(context: LoweringContext, name: string, fallback: string): string {
  return attributeOf(context, name, 'string')?.value ?? fallback;
}

export function intsAttribute(context: LoweringContext, name: string): readonly number[] | undefined {
  return attributeOf(context, name, 'ints')?.value;
}

export function floatsAttribute(context: LoweringContext, name: string): readonly number[] | undefined {
  return attributeOf(context, name, 'floats')?.value;
}

/** The numbers of an input that must be known, such as axes. */
export function constantInput(context: LoweringContext, index: number): number[] {
  const { constant } = inputAt(context, index);
  if (constant === undefined) {
    throw unsupportedForm(context, `its input ${index} depends on the data, but must be known to fix the shapes`);
  }
  return Array.from(constant.data as ArrayLike<number | bigint>, Number);
}

/** "Conv node 'x' (operator set 11) is not supported: <reason>". */
export function unsupportedForm({ node, version }: LoweringContext, reason: string): UnsupportedOpError {
  return new UnsupportedOpError(node.op, `${describeNode(node)} (operator set ${version}) is not supported: ${reason}`);
}

interface Changes {
  /** Inputs to write in place of the node's own. */
  inputs?: readonly (Value | undefined)[];
  /** Attributes that the canonical operator does not have, or that `set` replaces. */
  omit?: readonly string[];
  set?: Record<string, AttributeInput>;
}

/** Writes the node as it is, but for the changes named. Never drops an attribute silently. */
export function copyNode(
  context: LoweringContext,
  { inputs = context.inputs, omit = [], set = {} }: Changes = {},
): Value[] {
  const { g, node, outputCount } = context;
  const table = operators[node.op]?.attributes;
  if (table === undefined) throw unsupportedForm(context, 'its shapes are not known');
  const attributes: Record<string, AttributeInput> = {};
  for (const [name, attribute] of Object.entries(node.attributes)) {
    if (omit.includes(name)) continue;
    const entry = Object.hasOwn(table, name) ? table[name] : undefined;
    if (entry === undefined) throw unsupportedForm(context, `its attribute '${name}' is not known`);
    const fits = attribute.kind === entry.kind || (attribute.kind === 'int' && entry.kind === 'float');
    if (!fits || attribute.kind === 'graph' || attribute.kind === 'strings') {
      throw new ModelError(
        `attribute '${name}' of ${describeNode(node)} is of kind ${attribute.kind}, expected ${entry.kind}`,
      );
    }
    attributes[name] = attribute.value;
  }
  return g.node(node.op, inputs, { ...attributes, ...set }, outputCount);
}
