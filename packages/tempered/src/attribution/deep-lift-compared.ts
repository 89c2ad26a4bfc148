/** @file What a rule of DeepLIFT sees of a node: the node at the image beside the same node at the baseline. */
import {
  type AttributeInput,
  derivativeAt,
  type GraphBuilder,
  type Node,
  type Rule,
  type RuleContext,
  type Value,
} from 'onnx-grad';
import type { Copies } from './deep-lift-copies.ts';
import type { Elementwise } from './deep-lift-secants.ts';

type Multipliers = ReturnType<Rule>;

/** A node at the image, and its inputs and outputs at the baseline. */
export interface Compared extends RuleContext {
  readonly copies: Copies;
  readonly baseInputs: readonly Value[];
  readonly baseOutputs: readonly Value[];
  /** The derivative, with parts of the node replaced. */
  derivative(changes: Partial<Pick<RuleContext, 'inputs' | 'outputs' | 'dy'>>): Multipliers;
  readonly rules: (node: Node) => Rule | undefined;
}

export function compared(context: RuleContext, copies: Copies, rules: Compared['rules']): Compared {
  const { node, inputs, outputs, dy, dys } = context;
  const reference = (value: Value | undefined) => value && copies.reference(value);
  return {
    ...context,
    dy,
    copies,
    rules,
    baseInputs: inputs.map(reference) as Value[],
    baseOutputs: outputs.map(reference) as Value[],
    derivative: (changes) => {
      const changed = { ...context, dy, ...changes };
      return derivativeAt(node)?.({ ...changed, dys: changes.dy ? [changes.dy, ...dys.slice(1)] : dys }) ?? [];
    },
  };
}

/** The node once more, on other inputs. */
export function again(g: GraphBuilder, { op, attributes }: Node, inputs: readonly Value[]): Value {
  const values = Object.entries(attributes).map(([name, { value }]) => [name, value as AttributeInput]);
  return g.op(op, inputs, Object.fromEntries(values));
}

/** A node as a function of its first input. */
export function elementwise(node: Compared): Elementwise {
  const { g, dy, inputs, outputs, baseInputs, baseOutputs } = node;
  const [x, x0, y, y0] = [inputs[0]!, baseInputs[0]!, outputs[0]!, baseOutputs[0]!];
  return {
    g,
    dy,
    x,
    x0,
    y,
    y0,
    context: node,
    derivativeAt: (at) => {
      const changed = [at, ...inputs.slice(1)];
      const output = at === x ? y : again(g, node.node, changed);
      return node.derivative({ inputs: changed, outputs: [output] })[0]?.() ?? g.zerosLike(x);
    },
  };
}

/** For each input, a function that writes its multiplier from that of the output, `dy`. */
export type RescaleRule = (node: Compared) => Multipliers;
