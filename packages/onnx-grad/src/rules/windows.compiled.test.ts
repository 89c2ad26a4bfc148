/** @file What the rules of convolution and pooling emit, run by ONNX Runtime with all its optimisations. */
import { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { type AttributeInput, GraphBuilder } from '../builder.ts';
import type { NumericArray } from '../evaluate/array.ts';
import { evaluateGraph } from '../evaluate/evaluate-graph.ts';
import { gradient } from '../gradient.ts';
import { type Graph, sizeOf } from '../graph.ts';
import { testNumbers } from '../testing/check-rule.ts';
import {
  convolutionCases,
  dilatedPoolingCases,
  inputShapes,
  poolingCases,
  transposeCases,
} from '../testing/window-cases.ts';
import { writeModel } from '../write.ts';

type Case = [name: string, op: string, shapes: number[][], attributes: Record<string, AttributeInput>];

const larger: Case[] = [
  [
    'vector lanes filled',
    'Conv',
    [
      [2, 32, 12, 12],
      [48, 32, 3, 3],
    ],
    { pads: [1, 1, 1, 1] },
  ],
  [
    'vector lanes filled, stride 2',
    'Conv',
    [
      [2, 32, 13, 12],
      [48, 32, 3, 3],
    ],
    { pads: [1, 1, 1, 1], strides: [2, 2] },
  ],
  [
    'first layer',
    'Conv',
    [
      [2, 3, 20, 20],
      [32, 3, 7, 7],
    ],
    { pads: [3, 3, 3, 3], strides: [2, 2] },
  ],
  [
    'depthwise of 32',
    'Conv',
    [
      [2, 32, 9, 9],
      [32, 1, 3, 3],
    ],
    { pads: [1, 1, 1, 1], strides: [2, 2], group: 32 },
  ],
  [
    'groups of 8',
    'Conv',
    [
      [2, 32, 9, 9],
      [64, 8, 3, 3],
    ],
    { pads: [1, 1, 1, 1], strides: [2, 2], group: 4 },
  ],
  ['rows', 'MaxPool', [[2, 32, 14, 14]], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }],
];

const cases: Case[] = [
  ...larger,
  ...Object.entries(convolutionCases).map(
    ([name, test]): Case => [name, 'Conv', inputShapes(test), test.attributes ?? {}],
  ),
  ...Object.entries(transposeCases)
    // Models with these two forms run on the CPU there; our rules emit neither.
    .filter(([, { x, attributes }]) => x.length <= 4 && attributes?.group === undefined)
    .map(([name, test]): Case => [name, 'ConvTranspose', inputShapes(test), test.attributes ?? {}]),
  ...[...poolingCases, ...dilatedPoolingCases].map(([name, x, a]): Case => [name, 'MaxPool', [x], a]),
  ...poolingCases.map(([name, x, a]): Case => [name, 'AveragePool', [x], a]),
  ...poolingCases.map(
    ([name, x, a]): Case => [`${name}, padding counted`, 'AveragePool', [x], { ...a, count_include_pad: 1 }],
  ),
  ['2d', 'GlobalAveragePool', [[2, 3, 4, 5]], {}],
  ['2d', 'GlobalMaxPool', [[2, 3, 4, 5]], {}],
];

/** The gradients of Σ cotangent · op(inputs); with `constantWeight` input 1 is constant, so that its flip is folded. */
function gradientGraph([, op, shapes, attributes]: Case, constantWeight: boolean) {
  const g = new GraphBuilder();
  const feeds: Record<string, NumericArray> = {};
  const feed = (name: string, shape: readonly number[], seed: number) => {
    // Multiples of 1/16 in (−1, 1): exact in single precision, with many ties.
    feeds[name] = {
      dtype: 'float32',
      shape,
      data: Float64Array.from(testNumbers(sizeOf(shape), seed), (x) => Math.round(x * 16) / 16),
    };
    return g.input(name, 'float32', shape);
  };
  const inputs = shapes.map((shape, i) =>
    constantWeight && i === 1 ? g.constant(testNumbers(sizeOf(shape), 2), shape) : feed(`x${i}`, shape, i + 1),
  );
  const y = g.op(op, inputs, attributes);
  const wrt = inputs.filter((input) => input.constant === undefined);
  const gradients = gradient(g, { of: y, wrt, cotangent: feed('dy', y.shape, 9) });
  gradients.forEach((value, i) => {
    g.output(value, `gradient${i}`);
  });
  return { graph: g.graph, feeds };
}

async function compare(graph: Graph, feeds: Record<string, NumericArray>, provider: 'cpu' | 'webgpu'): Promise<void> {
  const expected = evaluateGraph(graph, feeds);
  const session = await InferenceSession.create(writeModel(graph), {
    executionProviders: [provider],
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
    // A node that WebGPU cannot run is an error, not a silent copy to the CPU.
    extra: provider === 'webgpu' ? { session: { disable_cpu_ep_fallback: '1' } } : {},
  });
  const tensors = Object.entries(feeds).map(
    ([name, { data, shape }]) => [name, new RuntimeTensor('float32', Float32Array.from(data), shape)] as const,
  );
  const results = await session.run(Object.fromEntries(tensors));
  await session.release();
  for (const { name } of graph.outputs) {
    const want = expected.get(name)!.data;
    const got = results[name]!.data as Float32Array;
    const scale = Math.max(1e-3, ...want.map(Math.abs));
    const error = Math.max(0, ...Array.from(want, (value, k) => Math.abs(value - got[k]!))) / scale;
    expect(got.length).toBe(want.length);
    expect(error, name).toBeLessThan(1e-5);
  }
}

const run = async (test: Case, provider: 'cpu' | 'webgpu') => {
  for (const constantWeight of test[2].length > 1 ? [false, true] : [false]) {
    const { graph, feeds } = gradientGraph(test, constantWeight);
    await compare(graph, feeds, provider);
  }
};

describe('compiled gradients on the CPU', () => {
  it.each(cases)('%s, %s', async (...test) => run(test, 'cpu'));
});

// Minutes in a software renderer. There, VK_DRIVER_FILES and LD_LIBRARY_PATH must name a Vulkan driver and loader.
describe.skipIf(process.env.ONNX_GRAD_TEST_WEBGPU !== '1')(
  'compiled gradients on WebGPU (set ONNX_GRAD_TEST_WEBGPU=1 to run)',
  () => {
    it.each(cases)('%s, %s', async (...test) => run(test, 'webgpu'));
  },
);
