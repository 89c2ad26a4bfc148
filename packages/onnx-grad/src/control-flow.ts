/** @file If with a condition that is known once shapes are; what branches or loops on data is refused. */
import { ModelError, UnsupportedOpError } from './errors.ts';
import type { Expansion, Scope } from './expansion.ts';
import { describeNode, type Graph, type Node } from './graph.ts';
import type { Value } from './value.ts';

export const isControlFlow = (node: Node): boolean => node.domain === '' && ['If', 'Loop', 'Scan'].includes(node.op);

export function expandControlFlow(
  expansion: Expansion,
  node: Node,
  inputs: readonly (Value | undefined)[],
  outer: Scope,
): (Value | undefined)[] {
  if (node.op !== 'If') {
    throw new UnsupportedOpError(
      node.op,
      `${describeNode(node)} (domain ai.onnx, operator set ${outer.opsets['']}) is not supported: export the model with its loops unrolled`,
    );
  }
  const condition = inputs[0];
  if (condition === undefined) throw new ModelError(`${describeNode(node)} lacks its condition`);
  if (condition.constant === undefined) {
    throw new UnsupportedOpError(
      'If',
      `${describeNode(node)} (domain ai.onnx, operator set ${outer.opsets['']}) is not supported: its condition '${node.inputs[0]}' depends on the data`,
    );
  }
  if (condition.dtype !== 'bool')
    throw new ModelError(`the condition of ${describeNode(node)} is of type ${condition.dtype}, not bool`);
  const isTrue = (condition.constant.data as Uint8Array)[0] !== 0;
  const branch = branchOf(node, isTrue ? 'then_branch' : 'else_branch');
  if (branch.outputs.length < node.outputs.length) {
    throw new ModelError(
      `${describeNode(node)} has ${node.outputs.length} outputs, its branch ${branch.outputs.length}`,
    );
  }
  const scope: Scope = { ...outer, values: new Map(), parent: outer, depth: outer.depth + 1 };
  expansion.addInitializers(scope, branch.initializers, () => false);
  expansion.write(branch.nodes, scope);
  return node.outputs.map((_, index) => expansion.lookUp(branch.outputs[index]!.name, scope));
}

function branchOf(node: Node, name: string): Graph {
  const attribute = node.attributes[name];
  if (attribute?.kind !== 'graph') throw new ModelError(`${describeNode(node)} lacks its ${name}`);
  return attribute.value;
}
