import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../builder.ts';
import { decompose } from '../decompose.ts';
import { gradient } from '../gradient.ts';
import { type Attribute, emptyGraph, type Graph, type Tensor } from '../graph.ts';
import { specialize } from '../specialize.ts';
import { runInOnnxRuntime } from '../testing/onnxruntime.ts';

const float = (value: number): Attribute => ({ kind: 'float', value });
const int = (value: number): Attribute => ({ kind: 'int', value });
const scalar = (dtype: 'float32' | 'bool', value: number): Tensor => ({
  dtype,
  shape: [],
  data: dtype === 'bool' ? Uint8Array.of(value) : Float32Array.of(value),
});

/** A model of one node that reads x [2000, 3] and writes y. */
function modelOf(op: string, attributes: Record<string, Attribute>, inputs = ['x'], opset = 17): Graph {
  const graph = emptyGraph('random');
  graph.opsets = { '': opset };
  graph.inputs.push({ name: 'x', dtype: 'float32', shape: ['N', 3] });
  graph.outputs.push({ name: 'y', dtype: 'float32', shape: undefined });
  graph.initializers.set('ratio', scalar('float32', 0.25)).set('training', scalar('bool', 1));
  graph.nodes.push({ name: 'node', op, domain: '', inputs, outputs: ['y'], attributes });
  return graph;
}

const COUNT = 2000;

async function run(graph: Graph, x: (row: number, column: number) => number): Promise<number[]> {
  const data = Float64Array.from({ length: COUNT * 3 }, (_, i) => x(Math.floor(i / 3), i % 3));
  const results = await runInOnnxRuntime(graph, { x: { dtype: 'float32', shape: [COUNT, 3], data } });
  return [...results.y!.data];
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values: readonly number[]) => Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)));

describe('random operators draw from the distribution that ONNX states', () => {
  const shape: Attribute = { kind: 'ints', value: [COUNT, 3] };
  test.each<[string, Record<string, Attribute>, string[], number, number]>([
    ['RandomNormal', { shape, mean: float(2), scale: float(3) }, [], 2, 3],
    ['RandomNormalLike', { seed: float(4) }, ['x'], 0, 1],
    ['RandomUniform', { shape, low: float(-1), high: float(3) }, [], 1, 4 / Math.sqrt(12)],
    ['RandomUniformLike', {}, ['x'], 0.5, 1 / Math.sqrt(12)],
    ['Bernoulli', {}, ['x'], 0.3, Math.sqrt(0.3 * 0.7)],
    ['Dropout', {}, ['x', 'ratio', 'training'], 0.3, 0.3 * Math.sqrt(0.25 / 0.75)],
    ['Dropout', {}, ['x', '', 'training'], 0.3, 0.3],
  ])('%s %j of %j', async (op, attributes, inputs, expectedMean, expectedDeviation) => {
    const graph = specialize(modelOf(op, attributes, inputs), { x: [COUNT, 3] });
    const y = await run(graph, () => 0.3);
    expect(y).toHaveLength(COUNT * 3);
    expect(Math.abs(mean(y) - expectedMean)).toBeLessThan(0.06 * Math.max(1, expectedDeviation));
    expect(Math.abs(deviation(y) / expectedDeviation - 1)).toBeLessThan(0.06);
  });

  test('Multinomial', async () => {
    const graph = specialize(modelOf('Multinomial', { sample_size: int(4) }), { x: [COUNT, 3] });
    const probabilities = [0.2, 0.5, 0.3];
    const y = await run(graph, (_, column) => Math.log(probabilities[column]!));
    expect(y).toHaveLength(COUNT * 4);
    for (const [k, p] of probabilities.entries())
      expect(Math.abs(y.filter((value) => value === k).length / y.length - p)).toBeLessThan(0.03);
  });
});

test('the gradient is that of the draw of the same run', async () => {
  const model = specialize(modelOf('Dropout', {}, ['x', 'ratio', 'training']), { x: [COUNT, 3] });
  const g = new GraphBuilder(model);
  const y = g.value('y');
  const [dx] = gradient(g, { of: y, wrt: [g.value('x')] });
  model.outputs.splice(0);
  g.output(g.sub(g.mul(dx!, g.value('x')), y), 'difference');
  g.output(dx!, 'dx');
  const data = new Float64Array(COUNT * 3).fill(2);
  const results = await runInOnnxRuntime(decompose(model), { x: { dtype: 'float32', shape: [COUNT, 3], data } });
  expect(Math.max(...results.difference!.data.map(Math.abs))).toBeLessThan(1e-6);
  expect(new Set([...results.dx!.data].map((value) => Math.round(value * 1e5)))).toEqual(new Set([0, 133333]));
});

test('StopGradient: the value of rounding with the gradient of the identity', async () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [4]);
  const y = g.add(x, g.stopGradient(g.sub(g.op('Round', [x]), x)));
  const [dx] = gradient(g, { of: g.square(y), wrt: [x] });
  g.output(y, 'y');
  g.output(dx!, 'dx');
  const data = Float64Array.of(-1.2, 0.4, 0.6, 3.1);
  const results = await runInOnnxRuntime(decompose(g.graph), { x: { dtype: 'float32', shape: [4], data } });
  for (const [i, expected] of [-1, 0, 1, 3].entries()) {
    expect(results.y!.data[i]).toBeCloseTo(expected, 5);
    expect(results.dx!.data[i]).toBeCloseTo(2 * expected, 5);
  }
});
