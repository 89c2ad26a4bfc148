import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../builder.ts';
import { evaluateGraph } from '../evaluate/evaluate-graph.ts';
import { gradient } from '../gradient.ts';
import { sizeOf } from '../graph.ts';
import { checkRule, testNumbers } from '../testing/check-rule.ts';
import { dilatedPoolingCases, poolingCases } from '../testing/window-cases.ts';

describe('the gradient of MaxPool', () => {
  it.each([...poolingCases, ...dilatedPoolingCases])('%s', (_, shape, attributes) => {
    // Distinct values, so that a small step never changes the maximum.
    const size = sizeOf(shape);
    checkRule({ op: 'MaxPool', inputs: [{ shape, data: (i) => ((i * 7919 + 3) % size) / 8 - 1 }], attributes });
  });

  it.each([
    ['apart', { kernel_shape: [2, 2], strides: [2, 2] }, [1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]],
    ['overlapping', { kernel_shape: [3, 3] }, [1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    [
      'padded',
      { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
      [1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ],
  ])('gives ties to the first maximum: %s', (_, attributes, expected) => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [1, 1, 4, 4]);
    const [dx] = gradient(g, { of: g.op('MaxPool', [x], attributes), wrt: [x] });
    const feeds = { x: { dtype: 'float32' as const, shape: x.shape, data: new Float64Array(16) } };
    expect([...evaluateGraph(g.graph, feeds).get(dx!.name)!.data]).toEqual(expected);
  });
});

describe('MaxPool passes each cotangent to the element that Indices names', () => {
  it.each([...poolingCases, ...dilatedPoolingCases])('%s', (_, shape, attributes) => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', shape);
    const [y, indices] = g.node('MaxPool', [x], attributes, 2);
    const cotangent = g.constant(testNumbers(sizeOf(y!.shape), 5), y!.shape);
    const [dx] = gradient(g, { of: y!, wrt: [x], cotangent });
    // Three values only, so that most windows hold ties.
    const data = Float64Array.from(testNumbers(sizeOf(shape)), (number) => Math.round(number * 1.4));
    const values = evaluateGraph(g.graph, { x: { dtype: 'float32', shape, data } });
    const expected = new Float64Array(data.length);
    values.get(indices!.name)!.data.forEach((index, i) => {
      expected[index] = expected[index]! + Number(cotangent.constant!.data[i]);
    });
    const actual = values.get(dx!.name)!.data;
    expect(Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!)))).toBeLessThan(1e-6);
  });
});

describe('the gradient of AveragePool', () => {
  it.each(poolingCases)('%s', (_, shape, attributes) => {
    checkRule({ op: 'AveragePool', inputs: [{ shape }], attributes });
    checkRule({ op: 'AveragePool', inputs: [{ shape }], attributes: { ...attributes, count_include_pad: 1 } });
  });
});

describe('the gradient of LpPool', () => {
  it.each([...poolingCases, ...dilatedPoolingCases])('%s', (_, shape, attributes) => {
    for (const p of [1, 2, 3]) {
      checkRule({ op: 'LpPool', inputs: [{ shape }], attributes: { ...attributes, p }, tolerance: 1e-5 });
    }
  });
});

describe('the gradient of global pooling', () => {
  it.each(['GlobalAveragePool', 'GlobalMaxPool', 'GlobalLpPool'])('%s', (op) => {
    checkRule({ op, inputs: [{ shape: [2, 3, 4, 3] }] });
    checkRule({ op, inputs: [{ shape: [2, 2, 5] }] });
    checkRule({ op, inputs: [{ shape: [1, 2, 2, 2, 2] }] });
  });

  it('gives ties in GlobalMaxPool to the first maximum', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [1, 1, 2, 3]);
    const [dx] = gradient(g, { of: g.op('GlobalMaxPool', [x]), wrt: [x] });
    const feeds = { x: { dtype: 'float32' as const, shape: x.shape, data: Float64Array.of(0, 2, 1, 2, 2, 0) } };
    expect([...evaluateGraph(g.graph, feeds).get(dx!.name)!.data]).toEqual([0, 1, 0, 0, 0, 0]);
  });
});
