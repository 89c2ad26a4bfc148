import { expect, test } from 'vitest';
import { GraphBuilder } from '../builder.ts';
import { toTensor } from '../evaluate/array.ts';
import { evaluateGraph } from '../evaluate/evaluate-graph.ts';
import { type Attribute, type DataType, emptyGraph, type Tensor } from '../graph.ts';
import {
  checkAgainstOnnxRuntime,
  expectClose,
  inputArray,
  type OperatorInput,
  runInOnnxRuntime,
} from '../testing/onnxruntime.ts';

const scalar = (value: number, dtype: DataType): OperatorInput => ({ shape: [], data: [value], dtype });
const vector = (...data: number[]): OperatorInput => ({ shape: [data.length], data, dtype: 'int64' });
const int = (value: number): Attribute => ({ kind: 'int', value });
const tensor = (value: Tensor): Attribute => ({ kind: 'tensor', value });
const matrix: OperatorInput = { shape: [3, 4] };

// The builder folds nodes whose inputs are constant, so these are written into the graph by hand.
test.each<[string, OperatorInput[], Record<string, Attribute>]>([
  ['Shape', [matrix], {}],
  ['Shape', [{ shape: [2, 3, 4, 5] }], { start: int(1), end: int(-1) }],
  ['Shape', [{ shape: [2, 3] }], { start: int(-9), end: int(9) }],
  ['Size', [matrix], {}],
  ['ConstantOfShape', [vector(2, 3)], {}],
  ['ConstantOfShape', [vector(4)], { value: tensor({ dtype: 'int64', shape: [1], data: BigInt64Array.of(7n) }) }],
  ['Range', [2, 9, 3].map((value) => scalar(value, 'int64')), {}],
  ['Range', [5, -1, -1.5].map((value) => scalar(value, 'float32')), {}],
  ['Range', [5, 1, 1].map((value) => scalar(value, 'int64')), {}],
  ['OneHot', [vector(1, -1, 3, 0), scalar(3, 'int64'), { shape: [2], data: [-1, 2] }], {}],
  [
    'OneHot',
    [{ ...vector(1, 0, 2, 2), shape: [2, 2] }, scalar(3, 'int64'), { shape: [2], data: [0, 1] }],
    { axis: int(1) },
  ],
  ['NonZero', [{ shape: [2, 3], data: [1, 0, 2, 0, 0, -1] }], {}],
  ['NonZero', [scalar(3, 'float32')], {}],
  ['EyeLike', [matrix], {}],
  ['EyeLike', [matrix], { k: int(1), dtype: int(7) }],
  ['EyeLike', [matrix], { k: int(-2) }],
  ['Trilu', [matrix, scalar(1, 'int64')], {}],
  ['Trilu', [matrix], { upper: int(0) }],
  ['Constant', [], { value: tensor({ dtype: 'int32', shape: [1, 2], data: Int32Array.of(3, -4) }) }],
  ['Constant', [], { value_float: { kind: 'float', value: 0.5 } }],
  ['Constant', [], { value_floats: { kind: 'floats', value: [0.5, 2] } }],
  ['Constant', [], { value_int: int(-3) }],
  ['Constant', [], { value_ints: { kind: 'ints', value: [1, 2, 3] } }],
])('%s, case %#', async (op, inputs, attributes) => {
  const graph = emptyGraph('test');
  const names = inputs.map((_, i) => `x${i}`);
  inputs.forEach((input, i) => {
    graph.initializers.set(names[i]!, toTensor(inputArray(input, i + 1)));
  });
  graph.nodes.push({ name: 'node', op, domain: '', inputs: names, outputs: ['y'], attributes });
  const { dtype, shape } = new GraphBuilder(graph).value('y');
  graph.outputs.push({ name: 'y', dtype, shape });
  const theirs = (await runInOnnxRuntime(graph, {})).y!;
  expectClose(evaluateGraph(graph, {}).get('y')!, theirs, op);
  expect([dtype, ...shape]).toEqual([theirs.dtype, ...theirs.shape]);
});

test('OneHot of indices known at run time', () =>
  checkAgainstOnnxRuntime({
    op: 'OneHot',
    inputs: [vector(1, 2, 0), { ...scalar(3, 'int64'), constant: true }, { shape: [2], data: [0, 1] }],
  }));
