/** @file The gradients of products and normalisations, run by ONNX Runtime, have the values of the evaluator. */
import { expect, test } from 'vitest';
import { GraphBuilder } from '../builder.ts';
import { decompose } from '../decompose.ts';
import { evaluateGraph } from '../evaluate/evaluate-graph.ts';
import { gradient } from '../gradient.ts';
import { isFloat } from '../graph.ts';
import { expectClose, inputArray, type OperatorCase, runInOnnxRuntime } from '../testing/onnxruntime.ts';

const shapes = (...list: number[][]) => list.map((shape) => ({ shape }));
const positive = { shape: [3], data: [0.4, 0.8, 1.2] };
const labels = { shape: [4], data: [1, 0, 2, 1], dtype: 'int64' as const };

test.each<OperatorCase>([
  { op: 'MatMul', inputs: shapes([2, 3, 4], [4, 5]) },
  { op: 'MatMul', inputs: shapes([2, 1, 3, 4], [2, 4, 5]) },
  { op: 'MatMul', inputs: shapes([4], [2, 4, 3]) },
  { op: 'Gemm', inputs: shapes([4, 3], [5, 4], [5]), attributes: { transA: 1, transB: 1, alpha: 0.5, beta: 2 } },
  { op: 'Einsum', inputs: shapes([2, 2, 3, 4], [2, 2, 5, 4]), attributes: { equation: 'bhid,bhjd->bhij' } },
  { op: 'Einsum', inputs: shapes([3, 3, 2], [2, 4]), attributes: { equation: 'iij,jk->ik' } },
  { op: 'BatchNormalization', inputs: [...shapes([2, 3, 4, 5], [3], [3], [3]), positive] },
  {
    op: 'BatchNormalization',
    inputs: [...shapes([2, 3, 4, 5], [3], [3], [3]), positive],
    attributes: { training_mode: 1 },
    outputCount: 3,
  },
  { op: 'LayerNormalization', inputs: shapes([2, 3, 8], [8], [8]) },
  { op: 'InstanceNormalization', inputs: shapes([2, 3, 4, 5], [3], [3]) },
  { op: 'LpNormalization', inputs: shapes([2, 3, 4]), attributes: { axis: 1 } },
  { op: 'LpNormalization', inputs: shapes([2, 3, 4]), attributes: { p: 1 } },
  { op: 'LRN', inputs: shapes([2, 6, 3, 4]), attributes: { size: 5, alpha: 0.5 } },
  { op: 'SoftmaxCrossEntropyLoss', inputs: [{ shape: [4, 3] }, labels, positive], attributes: { ignore_index: 1 } },
  { op: 'NegativeLogLikelihoodLoss', inputs: [{ shape: [4, 3] }, labels, positive], attributes: { reduction: 'none' } },
])('$op $attributes', async ({ op, inputs, attributes = {}, outputCount = 1 }) => {
  const g = new GraphBuilder();
  const feeds = Object.fromEntries(inputs.map((input, i) => [`x${i}`, inputArray(input!, i + 1)]));
  const values = Object.entries(feeds).map(([name, { dtype, shape }]) => g.input(name, dtype, shape));
  const y = g.node(op, values, attributes, outputCount)[0]!;
  const variables = values.filter(({ dtype }) => isFloat(dtype));
  // A cotangent that depends on y, so that the second derivative is not zero.
  const first = gradient(g, { of: y, wrt: variables, cotangent: g.add(y, g.constant(0.3)) });
  const second = gradient(g, { of: first[0]!, wrt: variables, cotangent: first[0]! });
  for (const value of [...first, ...second]) g.output(value);
  const expected = evaluateGraph(g.graph, feeds);
  for (const graph of [g.graph, decompose(g.graph)]) {
    const actual = await runInOnnxRuntime(graph, feeds);
    expect(Object.keys(actual)).toHaveLength(variables.length * 2);
    for (const [name, array] of Object.entries(actual)) expectClose(array, expected.get(name)!, `${op} ${name}`, 1e-4);
  }
});
