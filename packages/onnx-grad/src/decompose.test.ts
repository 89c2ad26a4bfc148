import { expect, test } from 'vitest';
import { GraphBuilder } from './builder.ts';
import { decompose } from './decompose.ts';
import { evaluateGraph } from './evaluate/evaluate-graph.ts';
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

test('leaves other nodes as they are', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2, 3]);
  g.output(g.op('BatchNormalization', [x, ...[1, 0, 0, 1].map((n) => g.constant(n, [3]))]), 'y');
  expect(decompose(g.graph)).toEqual(g.graph);
});
