import { expect, test } from 'vitest';
import { GraphBuilder } from './builder.ts';
import { decompose } from './decompose.ts';
import { evaluateGraph } from './evaluate/evaluate-graph.ts';
import { sizeOf } from './graph.ts';
import { expectClose, inputArray, type OperatorInput, runInOnnxRuntime } from './testing/onnxruntime.ts';

const shapes = (...list: number[][]): OperatorInput[] => list.map((shape) => ({ shape }));
const variance: OperatorInput = { shape: [3], data: [0.3, 0.7, 1.1] };
const training = { training_mode: 1, momentum: 0.6, epsilon: 0.01 };

test.each<[string, OperatorInput[], Record<string, number>, number]>([
  ['BatchNormalization', [...shapes([2, 3, 4, 5], [3], [3], [3]), variance], training, 3],
  ['BatchNormalization', [...shapes([5, 3], [3], [3], [3]), variance], training, 3],
  ['LRN', shapes([2, 7, 3, 4]), { size: 5, alpha: 0.5, beta: 0.75, bias: 2 }, 1],
  ['LRN', shapes([2, 3, 3, 1]), { size: 7, alpha: 2 }, 1],
])('%s of %j decomposes into the same values', async (op, inputs, attributes, outputCount) => {
  const g = new GraphBuilder();
  const feeds = Object.fromEntries(inputs.map((input, i) => [`x${i}`, inputArray(input, i + 1)]));
  const values = inputs.map(({ shape }, i) => g.input(`x${i}`, 'float32', shape));
  const outputs = g.node(op, values, attributes, outputCount);
  const [y, ...others] = outputs;
  g.output(g.reduceSum(y!, [1]), 'after');
  for (const other of others) g.output(other);
  const graph = decompose(g.graph);
  expect(graph.outputs).toEqual(g.graph.outputs);
  expect(graph.nodes.every((node) => node.op !== op || node.attributes.training_mode === undefined)).toBe(true);
  const expected = await runInOnnxRuntime(g.graph, feeds);
  const actual = await runInOnnxRuntime(graph, feeds);
  const evaluated = evaluateGraph(graph, feeds);
  for (const [name, array] of Object.entries(expected)) {
    expectClose(actual[name]!, array, `${op} ${name}`);
    expectClose(evaluated.get(name)!, array, `${op} ${name}, evaluated`);
  }
});

const integers = (...data: number[]): OperatorInput => ({ shape: [data.length], data, dtype: 'int64', constant: true });
const positive = (...shape: number[]): OperatorInput => ({
  shape,
  data: Array.from({ length: sizeOf(shape) }, (_, i) => 0.3 + ((i * 7) % 11) / 5),
});

test.each<[string, string, OperatorInput[]]>([
  ['Slice', 'backwards from the middle', [{ shape: [2, 3, 8] }, integers(5), integers(1), integers(2), integers(-1)]],
  [
    'Slice',
    'backwards on one axis, forwards on another',
    [{ shape: [2, 3, 8] }, integers(-2, 0), integers(-100, 2), integers(-1, 1), integers(-3, 1)],
  ],
  [
    'Slice',
    'backwards on two axes',
    [{ shape: [4, 5] }, integers(2, 3), integers(0, 0), integers(0, 1), integers(-1, -2)],
  ],
  ['Pow', 'exponents by row', [positive(2, 3, 8), positive(3, 1)]],
  ['Pow', 'both spread', [positive(3, 1, 1), positive(2, 1, 4, 8)]],
  ['Pow', 'exponents by column', [positive(2, 4), positive(4)]],
])('%s %s is written in a form that WebGPU computes rightly', async (op, _, inputs) => {
  const g = new GraphBuilder();
  const values = inputs.map(({ shape, constant, data }, i) =>
    constant ? g.integers(data!) : g.input(`x${i}`, 'float32', shape),
  );
  const feeds = Object.fromEntries(
    inputs.flatMap((input, i) => (input.constant ? [] : [[`x${i}`, inputArray(input, i + 1)]])),
  );
  g.output(g.op(op, values), 'y');
  const graph = decompose(g.graph);
  expect(graph.outputs).toEqual(g.graph.outputs);
  const backwards = inputs[4]?.data?.filter((step) => step < 0) ?? [];
  expect(graph.nodes.filter(({ op }) => op === 'Gather')).toHaveLength(backwards.length);
  for (const { inputs } of graph.nodes.filter(({ op }) => op === 'Pow')) {
    const [base, exponent] = inputs.map((name) => new GraphBuilder(graph).value(name).shape);
    expect(base).toEqual(exponent);
  }
  const expected = await runInOnnxRuntime(g.graph, feeds);
  const actual = await runInOnnxRuntime(graph, feeds);
  expectClose(actual.y!, expected.y!, op);
  expectClose(evaluateGraph(graph, feeds).get('y')!, expected.y!, `${op}, evaluated`);
});

test('leaves other nodes as they are', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2, 3]);
  g.output(g.op('BatchNormalization', [x, ...[1, 0, 0, 1].map((n) => g.constant(n, [3]))]), 'y');
  expect(decompose(g.graph)).toEqual(g.graph);
});
