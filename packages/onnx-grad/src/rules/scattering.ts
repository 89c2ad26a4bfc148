/** @file Gradients of the operators that write elements at given positions. */
import { UnsupportedOpError } from '../errors.ts';
import { describeNode } from '../graph.ts';
import type { Value } from '../value.ts';
import type { Rule, RuleContext } from './rule.ts';

/** Gradients for the data (what was overwritten gets nothing) and for the updates (what arrived where they went). */
function scatter(
  { g, dy, node, inputs, attributes }: RuleContext,
  read: (from: Value) => Value,
  attributesOfNode: Record<string, number>,
): ReturnType<Rule> {
  const [, indices, updates] = inputs as [Value, Value, Value];
  const { reduction } = attributes;
  if (reduction !== 'none' && reduction !== 'add') {
    throw new UnsupportedOpError(
      node.op,
      `no gradient rule for ${describeNode(node)} with reduction '${reduction}' (there is one for 'none' and 'add')`,
    );
  }
  const erased = () => g.op(node.op, [dy, indices, g.zerosLike(updates)], attributesOfNode);
  return [() => (reduction === 'add' ? dy : erased()), undefined, () => read(dy)];
}

const scatterElements: Rule = (context) => {
  const { g, attributes, inputs } = context;
  const { axis } = attributes;
  return scatter(context, (dy) => g.op('GatherElements', [dy, inputs[1]!], { axis }), { axis });
};

const scatterND: Rule = (context) => scatter(context, (dy) => context.g.op('GatherND', [dy, context.inputs[1]!]), {});

export const scattering: Record<string, Rule> = { ScatterElements: scatterElements, ScatterND: scatterND };
