import { describe, expect, it } from 'vitest';
import { type AttributeInput, GraphBuilder } from '../builder.ts';
import { evaluateGraph } from '../evaluate/evaluate-graph.ts';
import { gradient } from '../gradient.ts';
import { sizeOf } from '../graph.ts';
import { checkRule } from '../testing/check-rule.ts';

type Case = [name: string, x: number[], attributes: Record<string, AttributeInput>];

const windows: Case[] = [
  ['2x2', [2, 2, 4, 6], { kernel_shape: [2, 2], strides: [2, 2] }],
  ['2x2 with a remainder', [1, 2, 5, 5], { kernel_shape: [2, 2], strides: [2, 2] }],
  ['3x2 at their own strides', [1, 2, 7, 4], { kernel_shape: [3, 2], strides: [3, 2] }],
  ['overlapping', [1, 2, 5, 4], { kernel_shape: [3, 3] }],
  ['3x3, stride 2', [1, 2, 6, 7], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }],
  ['3x3, stride 1, padded', [1, 2, 4, 3], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }],
  ['asymmetric padding', [1, 1, 4, 5], { kernel_shape: [2, 3], strides: [1, 2], pads: [1, 0, 0, 2] }],
  ['rounding up', [1, 2, 6, 8], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }],
  ['rounding up, padded', [1, 1, 5, 6], { kernel_shape: [3, 2], strides: [2, 3], pads: [1, 1, 1, 1], ceil_mode: 1 }],
  ['stride beyond the kernel', [1, 1, 7, 8], { kernel_shape: [2, 1], strides: [3, 3] }],
  ['SAME_UPPER', [1, 1, 5, 4], { kernel_shape: [2, 3], strides: [2, 2], auto_pad: 'SAME_UPPER' }],
  ['SAME_LOWER', [1, 1, 5, 4], { kernel_shape: [2, 2], auto_pad: 'SAME_LOWER' }],
  ['one axis', [2, 2, 7], { kernel_shape: [3], strides: [2], pads: [1, 1] }],
  ['three axes', [1, 1, 4, 3, 4], { kernel_shape: [2, 2, 2], strides: [2, 1, 2] }],
];

const dilated: Case[] = [
  ['dilated', [1, 2, 6, 5], { kernel_shape: [3, 2], dilations: [2, 3] }],
  ['dilated, stride 3', [1, 1, 8], { kernel_shape: [2], dilations: [2], strides: [3], pads: [1, 1] }],
];

describe('the gradient of MaxPool', () => {
  it.each([...windows, ...dilated])('%s', (_, shape, attributes) => {
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

describe('the gradient of AveragePool', () => {
  it.each(windows)('%s', (_, shape, attributes) => {
    checkRule({ op: 'AveragePool', inputs: [{ shape }], attributes });
    checkRule({ op: 'AveragePool', inputs: [{ shape }], attributes: { ...attributes, count_include_pad: 1 } });
  });
});

describe('the gradient of LpPool', () => {
  it.each([...windows, ...dilated])('%s', (_, shape, attributes) => {
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
