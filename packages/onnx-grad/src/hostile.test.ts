/** Small files that ask for much: each must end soon, in a gradient or in one clear error. */
import { describe, expect, test } from 'vitest';
import { differentiate } from './differentiate.ts';
import { ModelError, ShapeError, UnsupportedOpError } from './errors.ts';
import { type Attribute, emptyGraph, type Graph, type Tensor } from './graph.ts';
import { specialize } from './specialize.ts';

const ints = (...value: number[]): Attribute => ({ kind: 'ints', value });
const int = (value: number): Attribute => ({ kind: 'int', value });
const string = (value: string): Attribute => ({ kind: 'string', value });
const integers = (...values: number[]): Tensor => ({
  dtype: 'int64',
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
});

interface Case {
  op: string;
  inputs: readonly (readonly number[])[];
  constants?: readonly Tensor[];
  attributes?: Record<string, Attribute>;
  outputCount?: number;
}

function modelOf({ op, inputs, constants = [], attributes = {}, outputCount = 1 }: Case): Graph {
  const graph = emptyGraph(op);
  inputs.forEach((shape, i) => {
    graph.inputs.push({ name: `x${i}`, dtype: 'float32', shape });
  });
  constants.forEach((tensor, i) => {
    graph.initializers.set(`c${i}`, tensor);
  });
  const outputs = Array.from({ length: outputCount }, (_, i) => `y${i}`);
  const names = [...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()];
  graph.nodes.push({ name: 'node', op, domain: '', inputs: names, outputs, attributes });
  graph.outputs.push({ name: 'y0', dtype: 'float32', shape: undefined });
  return graph;
}

const cases: Case[] = [
  { op: 'MaxPool', inputs: [[1, 1, 1000, 1000]], attributes: { kernel_shape: ints(500, 500) } },
  { op: 'MaxPool', inputs: [[1, 1, 9, 9]], attributes: { kernel_shape: ints(9, 9), dilations: ints(1, 1) } },
  { op: 'AveragePool', inputs: [[1, 1, 1000, 1000]], attributes: { kernel_shape: ints(500, 500) } },
  {
    op: 'AveragePool',
    inputs: [[1, 1, 4000, 4000]],
    attributes: { kernel_shape: ints(2, 2), strides: ints(1000, 1000) },
  },
  { op: 'LpPool', inputs: [[1, 1, 1000, 1000]], attributes: { kernel_shape: ints(500, 500) } },
  {
    op: 'Conv',
    inputs: [
      [1, 1, 600, 600],
      [1, 1, 300, 300],
    ],
  },
  {
    op: 'Conv',
    inputs: [
      [1, 1, 4000, 4000],
      [1, 1, 1, 1],
    ],
    attributes: { strides: ints(1000, 1000) },
  },
  {
    op: 'Conv',
    inputs: [
      [1, 4096, 4, 4],
      [4096, 1, 3, 3],
    ],
    attributes: { group: int(4096) },
  },
  {
    op: 'ConvTranspose',
    inputs: [
      [1, 1, 10, 10],
      [1, 1, 3, 3],
    ],
    attributes: { strides: ints(1000, 1000) },
  },
  { op: 'Einsum', inputs: [[16384, 16384]], attributes: { equation: string('ii->i') } },
  { op: 'Einsum', inputs: [[3000, 3000]], attributes: { equation: string('ii->i') } },
  { op: 'Einsum', inputs: [[2, 2]], attributes: { equation: string(`${'.'.repeat(100_000)}->`) } },
  { op: 'LRN', inputs: [[1, 5000, 2, 2]], attributes: { size: int(5001) } },
  { op: 'CumSum', inputs: [[1, 1_000_000]], constants: [{ ...integers(1), shape: [] }] },
  { op: 'Tile', inputs: [[1, 1]], constants: [integers(2 ** 14, 2 ** 14)] },
  { op: 'Tile', inputs: [[1, 1]], constants: [integers(2 ** 20, 2 ** 20)] },
  { op: 'Split', inputs: [[100_000]], outputCount: 100_000, attributes: { num_outputs: int(100_000) } },
  {
    op: 'Gather',
    inputs: [[1000, 10]],
    constants: [integers(...Array.from({ length: 100_000 }, (_, i) => (i * i) % 1000))],
  },
  { op: 'Slice', inputs: [[1_000_000]], constants: [integers(999_999), integers(0), integers(0), integers(-1)] },
  { op: 'Pad', inputs: [[3, 3]], constants: [integers(2 ** 27, 0, 0, 0)], attributes: { mode: string('reflect') } },
  { op: 'Pad', inputs: [[3, 3]], constants: [integers(2 ** 52, 0, 2 ** 52, 0)] },
  {
    op: 'Resize',
    inputs: [[1, 1, 2, 2]],
    constants: [
      { dtype: 'float32', shape: [0], data: new Float32Array() },
      { dtype: 'float32', shape: [4], data: Float32Array.of(1, 1, 1e6, 1e6) },
    ],
  },
  { op: 'TopK', inputs: [[100_000]], constants: [integers(100_000)], outputCount: 2 },
  { op: 'DepthToSpace', inputs: [[1, 10_000, 10, 10]], attributes: { blocksize: int(100) } },
  { op: 'Trilu', inputs: [[5000, 5000]] },
  { op: 'Softmax', inputs: [[2 ** 28]] },
  { op: 'ReduceProd', inputs: [[1_000_000]] },
  { op: 'ReduceMax', inputs: [[1_000_000]] },
  { op: 'Unsqueeze', inputs: [[2]], constants: [integers(...Array.from({ length: 10_000 }, (_, i) => i))] },
  { op: 'Expand', inputs: [[1]], constants: [integers(...Array.from({ length: 10_000 }, () => 1))] },
  { op: 'Transpose', inputs: [Array.from({ length: 2000 }, () => 1)] },
  { op: 'Reshape', inputs: [[2]], constants: [integers(2 ** 53, 2 ** 53)] },
  {
    op: 'ScatterND',
    inputs: [[1000, 1000]],
    constants: [
      { ...integers(0), shape: [1, 1] },
      { dtype: 'float32', shape: [1, 1000], data: new Float32Array(1000) },
    ],
  },
];

describe.each(cases)('$op $inputs $attributes', (one) => {
  test('ends soon', () => {
    const start = process.cpuUsage();
    let outcome = 'a gradient';
    try {
      differentiate(specialize(modelOf(one), {}));
    } catch (error) {
      outcome = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      expect(
        error instanceof ModelError || error instanceof ShapeError || error instanceof UnsupportedOpError,
        outcome,
      ).toBe(true);
      expect((error as Error).cause, outcome).toBeUndefined();
      expect(outcome.length).toBeLessThan(1000);
    }
    const { user, system } = process.cpuUsage(start);
    if (process.env.VERBOSE) console.log(one.op, Math.round((user + system) / 1000), 'ms', outcome);
    expect((user + system) / 1000, outcome).toBeLessThan(2000);
  });
});
