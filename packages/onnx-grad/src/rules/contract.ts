/** @file Sums of products over labelled axes, written as MatMul, Mul, ReduceSum, Reshape and Transpose. */

import type { GraphBuilder } from '../builder.ts';
import { checkTableSize } from '../fold.ts';
import { sizeOf } from '../graph.ts';
import type { Value } from '../value.ts';

/** An array with a label for each of its axes. */
interface Term {
  readonly value: Value;
  readonly labels: readonly string[];
}

/**
 * Σ over the labels not in `output` of the product of all terms, with axes in the order of `output`: an Einsum in the
 * operators that every provider runs fast. Axes of length 1 broadcast; a label repeated in a term takes its diagonal.
 *
 * @param output distinct labels, each of which some term has
 * @param sizes length of each label's axis
 * @example
 * contract(g, [{ value: a, labels: ['i', 'k'] }, { value: b, labels: ['k', 'j'] }], ['i', 'j'], sizes); // a · b
 */
export function contract(
  g: GraphBuilder,
  terms: readonly Term[],
  output: readonly string[],
  sizes: ReadonlyMap<string, number>,
): Value {
  let [total, ...rest] = terms.map((term) => squeeze(g, diagonal(g, term), sizes)) as [Term, ...Term[]];
  while (rest.length > 0) {
    const [next, ...later] = rest as [Term, ...Term[]];
    const needed = new Set([...output, ...later.flatMap((term) => term.labels)]);
    total = multiply(
      g,
      sumOut(g, total, (label) => needed.has(label) || next.labels.includes(label)),
      sumOut(g, next, (label) => needed.has(label) || total.labels.includes(label)),
      (label) => needed.has(label),
      output,
    );
    rest = later;
  }
  const remaining = sumOut(g, total, (label) => output.includes(label));
  return order(g, remaining, output).value;
}

/** One axis for each label: the diagonal where a label is repeated. */
function diagonal(g: GraphBuilder, term: Term): Term {
  const axis = term.labels.findIndex((label, i) => term.labels.indexOf(label) !== i);
  if (axis < 0) return term;
  const source = term.labels.indexOf(term.labels[axis]!);
  const { value } = term;
  const size = value.shape[axis]!;
  checkTableSize(size * size, 'the diagonal of Einsum', 2 ** 22);
  const identity = Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
  const mask = value.shape.map((_, other) => (other === axis || other === source ? size : 1));
  const kept = g.reduceSum(g.mul(value, g.constant(identity, mask, value)), [axis]);
  return diagonal(g, { value: kept, labels: term.labels.filter((_, i) => i !== axis) });
}

/** Without the axes of length 1 whose label is longer elsewhere. */
function squeeze(g: GraphBuilder, { value, labels }: Term, sizes: ReadonlyMap<string, number>): Term {
  const keep = labels.map((label, axis) => value.shape[axis] === sizes.get(label));
  return {
    value: g.reshape(
      value,
      value.shape.filter((_, axis) => keep[axis]),
    ),
    labels: labels.filter((_, axis) => keep[axis]),
  };
}

/** Sums over the labels that are not needed. */
function sumOut(g: GraphBuilder, { value, labels }: Term, needed: (label: string) => boolean): Term {
  const axes = labels.flatMap((label, axis) => (needed(label) ? [] : [axis]));
  return { value: g.reduceSum(value, axes), labels: labels.filter(needed) };
}

function order(g: GraphBuilder, { value, labels }: Term, wanted: readonly string[]): Term {
  return {
    value: g.transpose(
      value,
      wanted.map((label) => labels.indexOf(label)),
    ),
    labels: wanted,
  };
}

/** The product of two terms, summed over the labels that both have and nothing else needs. */
function multiply(
  g: GraphBuilder,
  a: Term,
  b: Term,
  needed: (label: string) => boolean,
  output: readonly string[],
): Term {
  const rank = (label: string) => (output.includes(label) ? output.indexOf(label) : output.length);
  const byOutput = (labels: string[]) => labels.sort((x, y) => rank(x) - rank(y));
  const common = a.labels.filter((label) => b.labels.includes(label));
  const inner = common.filter((label) => !needed(label));
  const batch = byOutput(common.filter(needed));
  const left = byOutput(a.labels.filter((label) => !common.includes(label)));
  const right = byOutput(b.labels.filter((label) => !common.includes(label)));
  // Saves the final transpose.
  if (right.length > 0 && left.length > 0 && rank(right[0]!) < rank(left[0]!)) return multiply(g, b, a, needed, output);

  const size = (term: Term, labels: readonly string[]) =>
    labels.map((label) => term.value.shape[term.labels.indexOf(label)]!);
  const batchShape = size(a, batch);
  const leftShape = size(a, left);
  const rightShape = size(b, right);
  const labels = [...batch, ...left, ...right];
  const first = order(g, a, [...batch, ...left, ...inner]).value;
  if (inner.length === 0) {
    const second = order(g, b, [...batch, ...right]).value;
    const spreadFirst = g.reshape(first, [...batchShape, ...leftShape, ...right.map(() => 1)]);
    const spreadSecond = g.reshape(second, [...batchShape, ...left.map(() => 1), ...rightShape]);
    return { value: g.mul(spreadFirst, spreadSecond), labels };
  }
  const second = order(g, b, [...batch, ...inner, ...right]).value;
  const length = sizeOf(size(a, inner));
  const product = g.matmul(
    g.reshape(first, [...batchShape, sizeOf(leftShape), length]),
    g.reshape(second, [...batchShape, length, sizeOf(rightShape)]),
  );
  return { value: g.reshape(product, [...batchShape, ...leftShape, ...rightShape]), labels };
}
