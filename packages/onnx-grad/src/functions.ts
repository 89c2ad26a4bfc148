/** @file Model-local functions: a call is replaced by the function's nodes. */
import { ModelError } from './errors.ts';
import type { Expansion, Scope } from './expansion.ts';
import { type Attribute, describeNode, type FunctionDefinition, type Node } from './graph.ts';
import type { Value } from './value.ts';

export const functionKey = (domain: string, name: string): string => `${domain}\n${name}`;

/** Writes the body of a function with the call's inputs and attributes, and returns the call's outputs. */
export function expandFunction(
  expansion: Expansion,
  definition: FunctionDefinition,
  call: Node,
  inputs: readonly (Value | undefined)[],
  outer: Scope,
): (Value | undefined)[] {
  if (inputs.length > definition.inputs.length || call.outputs.length > definition.outputs.length) {
    throw new ModelError(
      `${describeNode(call)} has ${inputs.length} inputs and ${call.outputs.length} outputs, but its function takes ${definition.inputs.length} and gives ${definition.outputs.length}`,
    );
  }
  const scope: Scope = {
    values: new Map(definition.inputs.map((name, index) => [name, inputs[index]])),
    opsets: definition.opsets,
    prefix: `${outer.prefix}${call.name || call.outputs[0]}/`,
    attributes: Object.assign(Object.create(null), definition.attributeDefaults, call.attributes),
    depth: outer.depth + 1,
  };
  expansion.write(definition.nodes, scope);
  return call.outputs.map((_, index) => expansion.lookUp(definition.outputs[index]!, scope));
}

/** Puts the caller's attributes where a function body refers to them; one that the caller leaves out is absent. */
export function bindAttributes(node: Node, caller: Readonly<Record<string, Attribute>> | undefined): Node {
  const entries = Object.entries(node.attributes);
  if (!entries.some(([, attribute]) => attribute.kind === 'reference')) return node;
  const attributes: Record<string, Attribute> = Object.create(null);
  for (const [name, attribute] of entries) {
    if (attribute.kind !== 'reference') {
      attributes[name] = attribute;
      continue;
    }
    if (caller === undefined) {
      throw new ModelError(
        `attribute '${name}' of ${describeNode(node)} refers to a function's attribute outside a function`,
      );
    }
    const bound = caller[attribute.value];
    if (bound !== undefined) attributes[name] = bound;
  }
  return { ...node, attributes };
}
