import type { GraphBuilder } from '../builder.ts';
import { checkTableSize } from '../fold.ts';
import { type EinsumAttributes, parseEquation } from '../operators/einsum.ts';
import type { Value } from '../value.ts';
import { contract } from './contract.ts';
import type { Rule } from './rule.ts';

/** The gradient by an operand is the sum over the other operands and the cotangent, with the operand's labels left. */
export const Einsum: Rule = ({ g, inputs, attributes, dy }) => {
  const { equation } = attributes as EinsumAttributes;
  const { operands, output, sizes } = parseEquation(
    equation,
    inputs.map(({ shape }) => shape),
    'Einsum',
  );
  return inputs.map((input, k) => () => {
    const others = inputs.flatMap((value, i) => (i === k ? [] : [{ value, labels: operands[i]! }]));
    const terms = [{ value: dy, labels: output }, ...others];
    const labels = operands[k]!;
    // A label of one element here and more elsewhere was broadcast, so it is summed over.
    const own = new Set(labels.filter((label, axis) => input.shape[axis] === sizes.get(label)));
    const known = [...own].filter((label) => terms.some((term) => term.labels.includes(label)));
    return embed(g, contract(g, terms, known, sizes), known, labels, input.shape);
  });
};

/** Puts axes labelled `known` where `labels` has them; repeated labels get their values on the diagonal. */
function embed(
  g: GraphBuilder,
  x: Value,
  known: readonly string[],
  labels: readonly string[],
  shape: readonly number[],
): Value {
  const first = (label: string) => labels.indexOf(label);
  const spread = labels.map((label, axis) => (known.includes(label) && first(label) === axis ? shape[axis]! : 1));
  const broadcast = g.expand(g.reshape(x, spread), shape);
  return labels.reduce((value, label, axis) => {
    const source = first(label);
    if (source === axis) return value;
    const size = shape[axis]!;
    checkTableSize(size * size, 'the diagonal of Einsum', 2 ** 22);
    const identity = Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
    const mask = shape.map((_, other) => (other === axis || other === source ? size : 1));
    return g.mul(value, g.constant(identity, mask, value));
  }, broadcast);
}
