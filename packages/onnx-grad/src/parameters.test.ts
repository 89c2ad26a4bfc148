import { expect, test } from 'vitest';
import { differentiate } from './differentiate.ts';
import { emptyGraph, type Graph, type Node, type Tensor } from './graph.ts';
import { parameterNames } from './parameters.ts';
import { specialize } from './specialize.ts';
import { runInOnnxRuntime } from './testing/onnxruntime.ts';

const floats = (...numbers: number[]): Tensor => ({
  dtype: 'float32',
  shape: [numbers.length],
  data: Float32Array.from(numbers),
});
const scalar = (number: number): Tensor => ({ dtype: 'float32', shape: [], data: Float32Array.of(number) });
const node = (op: string, inputs: string[], output: string): Node => ({
  name: output,
  op,
  domain: '',
  inputs,
  outputs: [output],
  attributes: {},
});

/** y = clip(x · w, low) · v, where v is stored as a copy of w: as PyTorch exports two parameters that are equal. */
const model: Graph = {
  ...emptyGraph('copies'),
  inputs: [{ name: 'x', dtype: 'float32', shape: [2] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: [2] }],
  initializers: new Map([
    ['w', floats(3, 5)],
    ['low', scalar(-100)],
    ['axes', { dtype: 'int64', shape: [1], data: BigInt64Array.of(0n) }],
  ]),
  nodes: [
    node('Identity', ['w'], 'v'),
    node('Mul', ['x', 'w'], 'xw'),
    node('Clip', ['xw', 'low'], 'clipped'),
    node('Mul', ['clipped', 'v'], 'y'),
  ],
  opsets: { '': 17 },
};

test('copies count as parameters, bounds and integers do not', () => {
  expect(parameterNames(model)).toEqual(['w', 'v']);
});

test('a copy has a gradient of its own', async () => {
  const graph = specialize(model, {}, { parameters: 'all' });
  const result = await runInOnnxRuntime(differentiate(graph, { wrt: ['w', 'v'] }), {
    x: { dtype: 'float32', shape: [2], data: Float64Array.of(2, 4) },
    y_cotangent: { dtype: 'float32', shape: [2], data: Float64Array.of(1, 1) },
  });
  // ∂y/∂w = x · v, ∂y/∂v = x · w
  expect([...result.w_grad!.data]).toEqual([6, 20]);
  expect([...result.v_grad!.data]).toEqual([6, 20]);
  expect([...result.y!.data]).toEqual([18, 100]);
});
