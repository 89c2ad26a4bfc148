import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../builder.ts';
import { ShapeError, UnsupportedOpError } from '../errors.ts';
import type { NumericArray } from '../evaluate/array.ts';
import { evaluateGraph } from '../evaluate/evaluate-graph.ts';
import { gradient } from '../gradient.ts';
import { type Attribute, emptyGraph, isFloat, type Node } from '../graph.ts';
import { expectClose, inputArray, type OperatorInput, runInOnnxRuntime } from '../testing/onnxruntime.ts';
import { newer } from './newer.ts';

interface LoweringCase {
  op: string;
  domain?: string;
  version: number;
  inputs: readonly (OperatorInput | undefined)[];
  attributes?: Record<string, Attribute>;
  outputCount?: number;
}

const int = (value: number): Attribute => ({ kind: 'int', value });
const float = (value: number): Attribute => ({ kind: 'float', value });
const text = (value: string): Attribute => ({ kind: 'string', value });
const shapes = (...list: number[][]): OperatorInput[] => list.map((shape) => ({ shape }));

function makeNode({ op, domain = '', inputs, attributes = {}, outputCount = 1 }: LoweringCase): Node {
  const names = inputs.map((input, i) => (input === undefined ? '' : `x${i}`));
  return {
    name: 'node',
    op,
    domain,
    inputs: names,
    outputs: Array.from({ length: outputCount }, (_, i) => `y${i}`),
    attributes,
  };
}

/** The lowered node, and what it is fed. */
function lowered(test: LoweringCase) {
  const g = new GraphBuilder();
  const feeds: Record<string, NumericArray> = {};
  const inputs = test.inputs.map((input, i) => {
    if (input === undefined) return undefined;
    const array = inputArray(input, i + 1);
    feeds[`x${i}`] = array;
    return g.input(`x${i}`, array.dtype, array.shape);
  });
  const { domain = '', op, version, outputCount = 1 } = test;
  const lowering = newer[domain === '' ? op : `${domain}:${op}`]!;
  const outputs = lowering({ g, node: makeNode(test), version, inputs, outputCount }).slice(0, outputCount);
  return { g, feeds, outputs };
}

/** The lowering must give what ONNX Runtime's own kernel gives. */
async function checkLowering(test: LoweringCase): Promise<void> {
  const { g, feeds, outputs } = lowered(test);
  const ours = evaluateGraph(g.graph, feeds);
  const node = makeNode(test);
  const graph = emptyGraph('reference');
  graph.opsets = { '': test.domain ? 18 : test.version, ...(test.domain && { [test.domain]: test.version }) };
  graph.nodes.push(node);
  for (const { name, dtype, shape } of g.graph.inputs) graph.inputs.push({ name, dtype, shape });
  outputs.forEach((output, i) => {
    graph.outputs.push({ name: `y${i}`, dtype: output!.dtype, shape: output!.shape });
  });
  const theirs = await runInOnnxRuntime(graph, feeds);
  outputs.forEach((output, i) => {
    expectClose(
      ours.get(output!.name)!,
      theirs[`y${i}`]!,
      `${test.op} ${JSON.stringify(test.attributes)}, output ${i}`,
    );
  });
}

const wide = Array.from({ length: 24 }, (_, i) => (i - 12) / 3);
const activations: [string, LoweringCase][] = [
  ['Gelu', { op: 'Gelu', version: 20, inputs: [{ shape: [24], data: wide }] }],
  [
    'Gelu, tanh',
    { op: 'Gelu', version: 20, inputs: [{ shape: [24], data: wide }], attributes: { approximate: text('tanh') } },
  ],
  ['Swish', { op: 'Swish', version: 24, inputs: [{ shape: [24], data: wide }], attributes: { alpha: float(1.5) } }],
  ['Gelu (Microsoft)', { op: 'Gelu', domain: 'com.microsoft', version: 1, inputs: [{ shape: [24], data: wide }] }],
  ['FastGelu', { op: 'FastGelu', domain: 'com.microsoft', version: 1, inputs: [{ shape: [4, 6], data: wide }] }],
  ['FastGelu with bias', { op: 'FastGelu', domain: 'com.microsoft', version: 1, inputs: shapes([4, 6], [6]) }],
  ['BiasGelu', { op: 'BiasGelu', domain: 'com.microsoft', version: 1, inputs: shapes([4, 6], [6]) }],
  ['QuickGelu', { op: 'QuickGelu', domain: 'com.microsoft', version: 1, inputs: [{ shape: [24], data: wide }] }],
];
const normalizations: [string, LoweringCase][] = [
  ['RMSNormalization', { op: 'RMSNormalization', version: 23, inputs: shapes([2, 3, 4], [4]) }],
  [
    'RMSNormalization, two axes',
    {
      op: 'RMSNormalization',
      version: 23,
      inputs: shapes([2, 3, 4], [3, 4]),
      attributes: { axis: int(1), epsilon: float(0.1) },
    },
  ],
  [
    'GroupNormalization 18',
    {
      op: 'GroupNormalization',
      version: 18,
      inputs: shapes([2, 6, 3, 2], [3], [3]),
      attributes: { num_groups: int(3) },
    },
  ],
  [
    'GroupNormalization 21',
    {
      op: 'GroupNormalization',
      version: 21,
      inputs: shapes([2, 6, 3, 2], [6], [6]),
      attributes: { num_groups: int(2), epsilon: float(0.05) },
    },
  ],
  ['MeanVarianceNormalization', { op: 'MeanVarianceNormalization', version: 13, inputs: shapes([2, 3, 4, 2]) }],
  [
    'MeanVarianceNormalization, axes',
    {
      op: 'MeanVarianceNormalization',
      version: 13,
      inputs: shapes([2, 3, 4, 2]),
      attributes: { axes: { kind: 'ints', value: [2, 3] } },
    },
  ],
  [
    'FusedMatMul',
    {
      op: 'FusedMatMul',
      domain: 'com.microsoft',
      version: 1,
      inputs: shapes([2, 4, 3], [2, 5, 4]),
      attributes: { transA: int(1), transB: int(1), alpha: float(0.5) },
    },
  ],
];

const bool = (shape: number[], data: number[]): OperatorInput => ({ shape, data, dtype: 'bool' });
const qkv = shapes([2, 3, 4, 8], [2, 3, 6, 8], [2, 3, 6, 5]);
const shared = shapes([2, 6, 4, 8], [2, 2, 4, 8], [2, 2, 4, 8]);
const attentions: [string, LoweringCase][] = [
  ['four axes', { op: 'Attention', version: 23, inputs: qkv }],
  [
    'three axes',
    {
      op: 'Attention',
      version: 23,
      inputs: shapes([2, 4, 12], [2, 6, 12], [2, 6, 15]),
      attributes: { q_num_heads: int(3), kv_num_heads: int(3) },
    },
  ],
  ['scale', { op: 'Attention', version: 23, inputs: qkv, attributes: { scale: float(0.2) } }],
  ['causal', { op: 'Attention', version: 23, inputs: shared, attributes: { is_causal: int(1) } }],
  ['grouped query heads', { op: 'Attention', version: 23, inputs: shared }],
  [
    'grouped query heads, three axes, causal',
    {
      op: 'Attention',
      version: 23,
      inputs: shapes([2, 4, 24], [2, 4, 8], [2, 4, 8]),
      attributes: { q_num_heads: int(6), kv_num_heads: int(2), is_causal: int(1) },
    },
  ],
  ['mask of numbers', { op: 'Attention', version: 23, inputs: [...qkv, { shape: [4, 6] }] }],
  ['mask for each head', { op: 'Attention', version: 23, inputs: [...qkv, { shape: [2, 3, 4, 6] }] }],
  [
    'mask of truths',
    {
      op: 'Attention',
      version: 23,
      inputs: [
        ...qkv,
        bool(
          [4, 6],
          Array.from({ length: 24 }, (_, i) => (i % 6 === 0 || i % 5 < 3 ? 1 : 0)),
        ),
      ],
    },
  ],
  [
    'mask and causal',
    {
      op: 'Attention',
      version: 23,
      inputs: [...shared, bool([4, 4], [1, 1, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1])],
      attributes: { is_causal: int(1) },
    },
  ],
  ['softcap', { op: 'Attention', version: 23, inputs: qkv, attributes: { softcap: float(0.5) } }],
  [
    'softcap and mask',
    { op: 'Attention', version: 23, inputs: [...qkv, { shape: [4, 6] }], attributes: { softcap: float(0.5) } },
  ],
  [
    'past keys, causal',
    {
      op: 'Attention',
      version: 23,
      inputs: [...shared, undefined, ...shapes([2, 2, 3, 8], [2, 2, 3, 8])],
      attributes: { is_causal: int(1) },
      outputCount: 3,
    },
  ],
  ['version 24', { op: 'Attention', version: 24, inputs: qkv }],
];

describe('lowered operators agree with ONNX Runtime', () => {
  test.each([...activations, ...normalizations])('%s', (_, loweringCase) => checkLowering(loweringCase));
  test.each(attentions)('Attention: %s', (_, loweringCase) => checkLowering(loweringCase));
  test.each([0, 1, 2, 3])('Attention: scores of stage %d', (stage) =>
    checkLowering({
      op: 'Attention',
      version: 23,
      inputs: [...qkv, { shape: [4, 6] }, undefined, undefined],
      attributes: { qk_matmul_output_mode: int(stage) },
      outputCount: 4,
    }),
  );
});

test.each<[LoweringCase, typeof ShapeError | typeof UnsupportedOpError]>([
  [{ op: 'Gelu', version: 20, inputs: shapes([2]), attributes: { approximate: text('fast') } }, UnsupportedOpError],
  [
    { op: 'GroupNormalization', version: 21, inputs: shapes([2, 6, 4], [6], [6]), attributes: { num_groups: int(4) } },
    ShapeError,
  ],
  [
    { op: 'GroupNormalization', version: 18, inputs: shapes([2, 6, 4], [6], [6]), attributes: { num_groups: int(3) } },
    ShapeError,
  ],
  [{ op: 'Attention', version: 23, inputs: shapes([2, 4, 12], [2, 6, 12], [2, 6, 12]) }, ShapeError],
  [{ op: 'Attention', version: 23, inputs: shapes([2, 3, 4, 8], [2, 2, 6, 8], [2, 2, 6, 8]) }, ShapeError],
])('refuses %j', (loweringCase, kind) => {
  expect(() => lowered(loweringCase)).toThrow(kind);
});

test.each([...activations, ...normalizations, ...attentions])('%s can be differentiated twice', (_, loweringCase) => {
  const { g, feeds, outputs } = lowered(loweringCase);
  const variables = Object.keys(feeds).flatMap((name) => (isFloat(g.value(name).dtype) ? [g.value(name)] : []));
  const first = gradient(g, { of: outputs[0]!, wrt: variables, cotangent: outputs[0]! });
  const second = gradient(g, { of: first[0]!, wrt: variables });
  const values = evaluateGraph(g.graph, feeds);
  for (const value of [...first, ...second]) {
    const numbers = values.get(value.name)?.data ?? value.constant!.data;
    expect([...(numbers as Float64Array)].every(Number.isFinite), value.name).toBe(true);
  }
});

test('the gradient of attention agrees with differences, with masked keys and shared heads', () => {
  const { g, feeds, outputs } = lowered(attentions.find(([name]) => name === 'mask and causal')![1]);
  const y = outputs[0]!;
  const objective = g.reduceSum(g.square(y), [0, 1, 2, 3]);
  const variables = ['x0', 'x1', 'x2'].map((name) => g.value(name));
  const gradients = gradient(g, { of: objective, wrt: variables });
  const values = evaluateGraph(g.graph, feeds);
  const at = (name: string, index: number, delta: number) => {
    const data = Float64Array.from(feeds[name]!.data);
    data[index]! += delta;
    return evaluateGraph(g.graph, { ...feeds, [name]: { ...feeds[name]!, data } }).get(objective.name)!.data[0]!;
  };
  variables.forEach(({ name }, k) => {
    const analytic = values.get(gradients[k]!.name)!.data;
    for (const index of [0, 7, 21, analytic.length - 1]) {
      const numeric = (at(name, index, 1e-5) - at(name, index, -1e-5)) / 2e-5;
      expect(analytic[index], `${name}[${index}]`).toBeCloseTo(numeric, 6);
    }
  });
});
