import type { GraphBuilder } from './builder.ts';
import { ShapeError, UnsupportedOpError } from './errors.ts';
import { describeNode, isFloat, type Node } from './graph.ts';
import { operators } from './operators/index.ts';
import { readAttributes } from './operators/operator.ts';
import { rules } from './rules/index.ts';
import type { Rule } from './rules/rule.ts';
import { dropUnread } from './unread.ts';
import type { Value } from './value.ts';

export interface GradientOptions {
  /** The value to differentiate. */
  of: Value;
  /** Inputs, parameters or intermediate values to differentiate it by. */
  wrt: readonly Value[];
  /** Weight of each element of `of`: the result is the gradient of Σ cotangent · of. Ones when left out. */
  cotangent?: Value;
  /**
   * Rules to use instead of the derivative at some nodes: whatever is passed back from outputs to inputs, such as
   * relevance. Undefined where the derivative is meant.
   */
  rules?: (node: Node) => Rule | undefined;
  /**
   * Called once the backward nodes are written: the values of them that will be read beside the gradients, which would
   * otherwise be removed. For rules that pass something on beside what `gradient` carries.
   */
  keep?: () => readonly Value[];
}

/**
 * Reverse-mode differentiation inside a builder: appends the backward nodes and returns one gradient for each value
 * of `wrt`, of the same shape. A value that `of` does not depend on gets zeros. The result can be differentiated again.
 *
 * @throws UnsupportedOpError when an operator on the way has no gradient rule
 * @example
 * const loss = g.reduceSum(g.square(x), [0]);
 * const [dx] = gradient(g, { of: loss, wrt: [x] }); // 2x
 */
export function gradient(
  g: GraphBuilder,
  { of, wrt, cotangent, rules: override, keep = () => [] }: GradientOptions,
): Value[] {
  if (!isFloat(of.dtype))
    throw new ShapeError(`'${of.name}' is of type ${of.dtype}: only floats can be differentiated`);
  const active = activeNodes(g, of, wrt);
  const start = g.graph.nodes.length;
  const cotangents = new Map<string, Value[]>([[of.name, [cotangent ?? g.constant(1, of.shape, of)]]]);

  /** The sum of what has arrived at a value so far. */
  const total = (name: string): Value | undefined => {
    const parts = cotangents.get(name);
    if (parts === undefined) return undefined;
    const sum = g.sum(parts);
    cotangents.set(name, [sum]);
    return sum;
  };

  for (const node of active.nodes.reverse()) {
    const dys = node.outputs.map((name) => (name === '' ? undefined : total(name)));
    if (dys.every((dy) => dy === undefined)) continue;
    const rule = override?.(node) ?? derivativeAt(node);
    if (rule === undefined) throw missingRule(g, node, of, wrt);
    const inputs = node.inputs.map((name) => (name === '' ? undefined : g.value(name)));
    const outputs = node.outputs.map((name) => (name === '' ? undefined : g.value(name)));
    const thunks = rule({
      g,
      node,
      attributes: readAttributes(operators[node.op]!.attributes, node),
      inputs: inputs as Value[],
      outputs: outputs as Value[],
      has: (i) => inputs[i] !== undefined,
      get dy() {
        return dys[0] ?? g.zerosLike(outputs[0]!);
      },
      dys,
    });
    inputs.forEach((input, i) => {
      const thunk = thunks[i];
      if (input === undefined || thunk === undefined || !active.values.has(input.name)) return;
      const part = thunk();
      if (part.shape.join() !== input.shape.join()) {
        throw new ShapeError(
          `the gradient of ${describeNode(node)} for input ${i} has shape [${part.shape}], the input [${input.shape}]`,
        );
      }
      cotangents.set(input.name, [...(cotangents.get(input.name) ?? []), part]);
    });
  }
  const gradients = wrt.map((value) => total(value.name) ?? g.zerosLike(value));
  // What is left over are the cotangents of masks, which come to nothing.
  dropUnread(g.graph.nodes, start, [...gradients, ...keep()]);
  return gradients;
}

/** The rule of a node's derivative, to build other rules on; undefined where it has none. */
export const derivativeAt = (node: Node): Rule | undefined => (node.domain === '' ? rules[node.op] : undefined);

/**
 * The nodes between `wrt` and `of`, in graph order, and the names of the values that depend on `wrt` differentiably:
 * masks and indices do not. The integers that come out of QuantizeLinear do, and whatever moves them before
 * DequantizeLinear: their cotangents are floats, which is the straight-through estimator.
 */
function activeNodes(g: GraphBuilder, of: Value, wrt: readonly Value[]): { nodes: Node[]; values: Set<string> } {
  const values = new Set(wrt.map((value) => value.name));
  const downstream: Node[] = [];
  for (const node of g.graph.nodes) {
    if (!node.inputs.some((name) => values.has(name))) continue;
    downstream.push(node);
    const quantized =
      node.op === 'QuantizeLinear' || node.inputs.some((name) => values.has(name) && !isFloat(g.value(name).dtype));
    for (const name of node.outputs) {
      if (name !== '' && (quantized || isFloat(g.value(name).dtype))) values.add(name);
    }
  }
  const needed = new Set([of.name]);
  const nodes: Node[] = [];
  for (const node of downstream.reverse()) {
    if (!node.outputs.some((name) => needed.has(name))) continue;
    nodes.push(node);
    for (const name of node.inputs) if (values.has(name)) needed.add(name);
  }
  return { nodes: nodes.reverse(), values };
}

function missingRule(g: GraphBuilder, node: Node, of: Value, wrt: readonly Value[]): UnsupportedOpError {
  const above = new Set(node.inputs);
  for (const earlier of [...g.graph.nodes].reverse()) {
    if (earlier.outputs.some((name) => above.has(name))) for (const name of earlier.inputs) above.add(name);
  }
  const unaffected = wrt.map((value) => value.name).filter((name) => !above.has(name));
  const consequence =
    unaffected.length > 0
      ? `Gradients that do not pass through it are unaffected: ${unaffected.slice(0, 8).join(', ')}${unaffected.length > 8 ? ' ...' : ''}.`
      : 'Every gradient asked for passes through it.';
  const version = g.graph.opsets[node.domain] ?? '?';
  return new UnsupportedOpError(
    node.op,
    `no gradient rule for ${describeNode(node)} (domain ${node.domain || 'ai.onnx'}, operator set ${version}) on the way to '${of.name}'. ${consequence}`,
  );
}
