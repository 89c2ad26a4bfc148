import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GraphBuilder } from '../builder.ts';
import type { NumericArray } from '../evaluate/array.ts';
import { evaluateGraph } from '../evaluate/evaluate-graph.ts';
import { sizeOf } from '../graph.ts';
import { testNumbers } from '../testing/check-rule.ts';
import { contract } from './contract.ts';

const LETTERS = ['a', 'b', 'c', 'd', 'e'];

/** Operands of any labels, repeated ones too, some axes of length 1 that broadcast, and an output of some of them. */
const contractions = fc
  .record({
    sizes: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: LETTERS.length, maxLength: LETTERS.length }),
    operands: fc.array(fc.array(fc.constantFrom(...LETTERS), { maxLength: 4 }), { minLength: 1, maxLength: 3 }),
    order: fc.shuffledSubarray(LETTERS),
    narrow: fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
  })
  .map(({ sizes, operands, order, narrow }) => {
    const length = new Map(LETTERS.map((letter, i) => [letter, sizes[i]!]));
    let axis = 0;
    const terms = operands.map((labels) => {
      // All axes of a repeated label are equally long.
      const squeezed = new Map(labels.map((label) => [label, narrow[axis++ % narrow.length]! && axis % 3 === 0]));
      return { labels, shape: labels.map((label) => (squeezed.get(label) ? 1 : length.get(label)!)) };
    });
    const full = new Map<string, number>();
    for (const { labels, shape } of terms) {
      labels.forEach((label, i) => {
        full.set(label, Math.max(full.get(label) ?? 1, shape[i]!));
      });
    }
    return { terms, output: order.filter((label) => full.has(label)), sizes: full };
  });

test('a contraction has the value of the Einsum', () => {
  fc.assert(
    fc.property(contractions, ({ terms, output, sizes }) => {
      const g = new GraphBuilder();
      const feeds: Record<string, NumericArray> = {};
      const operands = terms.map(({ labels, shape }, i) => {
        feeds[`x${i}`] = { dtype: 'float32', shape, data: Float64Array.from(testNumbers(sizeOf(shape), i + 1)) };
        return { labels, value: g.input(`x${i}`, 'float32', shape) };
      });
      const equation = `${terms.map(({ labels }) => labels.join('')).join(',')}->${output.join('')}`;
      const expected = g.op(
        'Einsum',
        operands.map(({ value }) => value),
        { equation },
      );
      const actual = contract(g, operands, output, sizes);
      expect(actual.shape).toEqual(expected.shape);
      const values = evaluateGraph(g.graph, feeds);
      const reference = values.get(expected.name)!.data;
      values.get(actual.name)!.data.forEach((value, i) => {
        expect(value).toBeCloseTo(reference[i]!, 10);
      });
    }),
    { numRuns: 300 },
  );
});
