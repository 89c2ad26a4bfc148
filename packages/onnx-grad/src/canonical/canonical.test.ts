/** One-node models of old and new operator sets compute in ONNX Runtime what they do after canonicalisation. */
import { describe, expect, test } from 'vitest';
import { toTensor } from '../evaluate/array.ts';
import { type Attribute, emptyGraph, type Graph, isFloat } from '../graph.ts';
import { specialize } from '../specialize.ts';
import { expectClose, inputArray, type OperatorInput, runInOnnxRuntime } from '../testing/onnxruntime.ts';
import { sinceVersions } from './since-versions.ts';

interface Case {
  op: string;
  /** Operator sets to write the node in. */
  opsets: readonly number[];
  inputs: readonly (OperatorInput | undefined)[];
  attributes?: Record<string, Attribute>;
  outputCount?: number;
}

const int = (value: number): Attribute => ({ kind: 'int', value });
const float = (value: number): Attribute => ({ kind: 'float', value });
const ints = (...value: number[]): Attribute => ({ kind: 'ints', value });
const floats = (...value: number[]): Attribute => ({ kind: 'floats', value });
const string = (value: string): Attribute => ({ kind: 'string', value });
const x = (...shape: number[]): OperatorInput => ({ shape });
const vector = (...data: number[]): OperatorInput => ({ shape: [data.length], data, dtype: 'int64', constant: true });
const list = (...data: number[]): OperatorInput => ({ shape: [data.length], data, constant: true });
const scalar = (value: number, dtype: OperatorInput['dtype'] = 'float32'): OperatorInput => ({
  shape: [],
  data: [value],
  dtype,
  constant: true,
});
const positive = (...shape: number[]): OperatorInput => ({
  shape,
  data: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => 0.2 + ((i * 7) % 11) / 10),
});

/** Every version of an operator that the supported sets contain. */
const every = (op: string): number[] => [7, ...sinceVersions[op]!.filter((version) => version > 7 && version <= 25)];
const before = (limit: number) => (version: number) => version < limit;
const from = (limit: number) => (version: number) => version >= limit;

const unary = [
  'Abs',
  'Acos',
  'Asin',
  'Atan',
  'Ceil',
  'Cos',
  'Elu',
  'Exp',
  'Floor',
  'HardSigmoid',
  'LeakyRelu',
  'Neg',
  'Relu',
];
unary.push(
  'Selu',
  'Sigmoid',
  'Sin',
  'Softplus',
  'Softsign',
  'Tan',
  'Tanh',
  'Erf',
  'Sign',
  'Sinh',
  'Cosh',
  'Asinh',
  'Atanh',
);
unary.push('Celu', 'HardSwish', 'Round', 'ThresholdedRelu', 'Shrink', 'IsNaN', 'IsInf');
const binary = ['Add', 'Sub', 'Mul', 'Div', 'Pow', 'PRelu', 'Max', 'Min', 'Mean', 'Sum'];
const compared = ['Greater', 'Less', 'Equal', 'GreaterOrEqual', 'LessOrEqual'];
const reductions = ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'Sum', 'SumSquare'];
const existing = (op: string): number[] => every(op).filter(from(sinceVersions[op]![0]!));

const cases: Case[] = [
  ...unary.map((op) => ({ op, opsets: existing(op), inputs: [x(2, 3)] })),
  ...['Log', 'Sqrt', 'Reciprocal'].map((op) => ({ op, opsets: existing(op), inputs: [positive(2, 3)] })),
  ...binary.map((op) => ({ op, opsets: existing(op).filter(from(8)), inputs: [positive(2, 3, 4), positive(3, 1)] })),
  ...['Add', 'Mul', 'Sum', 'Max'].map((op) => ({ op, opsets: [7], inputs: [x(2, 3), x(2, 3)] })),
  ...compared.map((op) => ({
    op,
    opsets: existing(op).filter(from(op === 'Equal' ? 11 : 9)),
    inputs: [x(2, 3), x(3)],
  })),
  ...reductions.flatMap((name): Case[] => {
    const op = `Reduce${name}`;
    const change = name === 'Sum' ? 13 : 18;
    const opsets = existing(op);
    return [
      {
        op,
        opsets: opsets.filter(before(change)),
        inputs: [positive(2, 3, 4)],
        attributes: { axes: ints(0, 2), keepdims: int(0) },
      },
      {
        op,
        opsets: opsets.filter(from(change)),
        inputs: [positive(2, 3, 4), vector(0, 2)],
        attributes: { keepdims: int(0) },
      },
      { op, opsets: opsets.filter(from(11)), inputs: [positive(2, 3)], attributes: { keepdims: int(1) } },
      { op, opsets: opsets.filter(from(change)), inputs: [positive(2, 3), vector()], attributes: { keepdims: int(1) } },
    ];
  }),
  { op: 'ReduceSum', opsets: [13, 18, 22], inputs: [x(2, 3), vector()], attributes: { noop_with_empty_axes: int(1) } },
  { op: 'ReduceMean', opsets: [11, 13], inputs: [x(2, 3, 4)], attributes: { axes: ints(-1) } },
  { op: 'ArgMax', opsets: existing('ArgMax'), inputs: [x(2, 3)], attributes: { axis: int(1), keepdims: int(0) } },
  { op: 'Clip', opsets: [7, 10], inputs: [x(3, 4)], attributes: { min: float(-0.25), max: float(0.5) } },
  { op: 'Clip', opsets: [7], inputs: [x(3, 4)], attributes: { max: float(0.5) } },
  { op: 'Clip', opsets: [11, 12, 13, 22], inputs: [x(3, 4), scalar(-0.25), scalar(0.5)] },
  { op: 'Clip', opsets: [11, 22], inputs: [x(3, 4), undefined, scalar(0.5)] },
  { op: 'Squeeze', opsets: [7, 11], inputs: [x(1, 3, 1)], attributes: { axes: ints(0) } },
  { op: 'Squeeze', opsets: [7, 11, 13, 21], inputs: [x(1, 3, 1)] },
  { op: 'Squeeze', opsets: [13, 21], inputs: [x(1, 3, 1), vector(-1)] },
  { op: 'Unsqueeze', opsets: [7, 11], inputs: [x(3, 2)], attributes: { axes: ints(0, 2) } },
  { op: 'Unsqueeze', opsets: [13, 21], inputs: [x(3, 2), vector(0, -1)] },
  { op: 'Split', opsets: [7, 11], inputs: [x(5, 2)], attributes: { split: ints(2, 3), axis: int(0) }, outputCount: 2 },
  { op: 'Split', opsets: [7, 11, 13], inputs: [x(2, 6)], attributes: { axis: int(1) }, outputCount: 3 },
  { op: 'Split', opsets: [13, 18], inputs: [x(5, 2), vector(2, 3)], outputCount: 2 },
  { op: 'Split', opsets: [18, 22], inputs: [x(5, 2)], attributes: { num_outputs: int(2) }, outputCount: 2 },
  { op: 'Slice', opsets: [7], inputs: [x(4, 5)], attributes: { starts: ints(1, -3), ends: ints(3, 2 ** 63) } },
  { op: 'Slice', opsets: [9], inputs: [x(4, 5)], attributes: { starts: ints(1), ends: ints(-1), axes: ints(1) } },
  { op: 'Slice', opsets: [10, 11, 13, 22], inputs: [x(4, 5), vector(1), vector(5), vector(1), vector(2)] },
  { op: 'Pad', opsets: [7], inputs: [x(2, 3)], attributes: { pads: ints(1, 0, 0, 2), value: float(1.5) } },
  { op: 'Pad', opsets: [7, 10], inputs: [x(2, 3)], attributes: { pads: ints(0, 1, 0, 2), mode: string('reflect') } },
  { op: 'Pad', opsets: [11, 13, 18, 19, 21], inputs: [x(2, 3), vector(1, 0, 0, 2), scalar(1.5)] },
  { op: 'Pad', opsets: [11, 13, 22], inputs: [x(2, 3), vector(0, 1, 0, 1)], attributes: { mode: string('edge') } },
  { op: 'Pad', opsets: [18, 19], inputs: [x(2, 3), vector(1, 2), scalar(0), vector(-1)] },
  { op: 'Pad', opsets: [19, 21], inputs: [x(2, 3), vector(0, 1, 0, 2)], attributes: { mode: string('wrap') } },
  { op: 'TopK', opsets: [7], inputs: [x(2, 5)], attributes: { k: int(2) }, outputCount: 2 },
  { op: 'TopK', opsets: [10, 11, 22], inputs: [x(2, 5), vector(2)], outputCount: 2 },
  {
    op: 'TopK',
    opsets: [11, 22],
    inputs: [x(2, 5), vector(2)],
    attributes: { largest: int(0), axis: int(1) },
    outputCount: 2,
  },
  ...['Softmax', 'LogSoftmax', 'Hardmax'].flatMap((op): Case[] => [
    { op, opsets: [7, 11, 12, 13, 22], inputs: [x(2, 3, 4)] },
    ...[0, 1, 2].map((axis) => ({ op, opsets: [7, 11, 13], inputs: [x(2, 3, 4)], attributes: { axis: int(axis) } })),
    { op, opsets: [11, 13], inputs: [x(2, 3, 4)], attributes: { axis: int(-2) } },
  ]),
  { op: 'Dropout', opsets: [7, 10], inputs: [x(2, 3)], attributes: { ratio: float(0.3) } },
  { op: 'Dropout', opsets: [12, 22], inputs: [x(2, 3)], outputCount: 2 },
  { op: 'Dropout', opsets: [12, 13], inputs: [x(2, 3), scalar(0), scalar(1, 'bool')] },
  {
    op: 'BatchNormalization',
    opsets: [7, 9, 14, 15, 22],
    inputs: [x(2, 3, 4, 4), list(1, 2, 3), list(0, 1, -1), list(0.1, 0.2, 0.3), list(1, 2, 0.5)],
    attributes: { epsilon: float(1e-3) },
  },
  { op: 'Upsample', opsets: [7], inputs: [x(1, 2, 2, 3)], attributes: { scales: floats(1, 1, 2, 3) } },
  { op: 'Upsample', opsets: [9], inputs: [x(1, 2, 2, 3), list(1, 1, 2, 2)] },
  { op: 'Upsample', opsets: [9], inputs: [x(1, 2, 3, 3), list(1, 1, 2, 2.5)], attributes: { mode: string('linear') } },
  { op: 'Resize', opsets: [10], inputs: [x(1, 2, 2, 3), list(1, 1, 2, 2.5)] },
  { op: 'Resize', opsets: [10], inputs: [x(1, 2, 5, 6), list(1, 1, 0.6, 0.5)] },
  { op: 'Resize', opsets: [10], inputs: [x(1, 2, 4, 4), list(1, 1, 0.5, 0.5)], attributes: { mode: string('linear') } },
  ...['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric'].flatMap((coordinates): Case[] => {
    const attributes = { mode: string('linear'), coordinate_transformation_mode: string(coordinates) };
    return [
      { op: 'Resize', opsets: [11], inputs: [x(1, 2, 3, 4), list(), list(1, 1, 2, 1.5)], attributes },
      { op: 'Resize', opsets: [11], inputs: [x(1, 2, 3, 4), list(), list(), vector(1, 2, 5, 2)], attributes },
      { op: 'Resize', opsets: [13, 18, 19], inputs: [x(1, 2, 3, 4), undefined, list(1, 1, 2, 1.5)], attributes },
      {
        op: 'Resize',
        opsets: [13, 18, 19],
        inputs: [x(1, 2, 3, 4), undefined, undefined, vector(1, 2, 5, 2)],
        attributes,
      },
    ];
  }),
  { op: 'Resize', opsets: [18, 19], inputs: [x(1, 2, 3, 4), undefined, list(2, 2)], attributes: { axes: ints(2, 3) } },
  {
    op: 'Scatter',
    opsets: [9, 10],
    inputs: [x(3, 4), { ...vector(2, 0), shape: [1, 2] }, x(1, 2)],
    attributes: { axis: int(0) },
  },
  ...[11, 13, 16, 18].map((opset) => ({
    op: 'ScatterElements',
    opsets: [opset],
    inputs: [x(3, 4), { ...vector(2, 0), shape: [1, 2] }, x(1, 2)],
    attributes: { axis: int(1) },
  })),
  { op: 'ScatterND', opsets: [11, 13, 16, 18], inputs: [x(3, 4), { ...vector(2, 0), shape: [2, 1] }, x(2, 4)] },
  { op: 'Gather', opsets: existing('Gather'), inputs: [x(3, 4), vector(2, 0)], attributes: { axis: int(1) } },
  { op: 'GatherElements', opsets: [11, 13], inputs: [x(3, 4), { ...vector(2, 0), shape: [1, 2] }] },
  { op: 'GatherND', opsets: [11, 12, 13], inputs: [x(3, 4), { ...vector(2, 0), shape: [1, 2] }] },
  { op: 'Cast', opsets: existing('Cast'), inputs: [x(2, 3)], attributes: { to: int(6) } },
  { op: 'Cast', opsets: [13, 22], inputs: [x(2, 3)], attributes: { to: int(1) } },
  { op: 'CastLike', opsets: existing('CastLike'), inputs: [x(2, 3), vector(1)] },
  { op: 'Reshape', opsets: existing('Reshape'), inputs: [x(2, 3, 4), vector(0, -1)] },
  { op: 'Reshape', opsets: [14, 21], inputs: [x(2, 0), vector(0, 5)], attributes: { allowzero: int(1) } },
  { op: 'Flatten', opsets: existing('Flatten'), inputs: [x(2, 3, 4)], attributes: { axis: int(2) } },
  { op: 'Transpose', opsets: existing('Transpose'), inputs: [x(2, 3, 4)], attributes: { perm: ints(2, 0, 1) } },
  { op: 'Concat', opsets: existing('Concat'), inputs: [x(2, 3), x(2, 1)], attributes: { axis: int(1) } },
  { op: 'Tile', opsets: existing('Tile'), inputs: [x(2, 3), vector(2, 1)] },
  { op: 'Expand', opsets: existing('Expand'), inputs: [x(3, 1), vector(2, 1, 4)] },
  {
    op: 'Gemm',
    opsets: existing('Gemm'),
    inputs: [x(2, 3), x(4, 3), x(4)],
    attributes: { transB: int(1), alpha: float(0.5) },
  },
  { op: 'Gemm', opsets: [11, 13], inputs: [x(2, 3), x(3, 4)] },
  { op: 'MatMul', opsets: existing('MatMul'), inputs: [x(2, 2, 3), x(3, 4)] },
  {
    op: 'Conv',
    opsets: existing('Conv'),
    inputs: [x(1, 2, 5, 5), x(3, 2, 3, 3), x(3)],
    attributes: { pads: ints(1, 1, 1, 1) },
  },
  {
    op: 'Conv',
    opsets: [7, 22],
    inputs: [x(1, 2, 5, 5), x(3, 2, 2, 2)],
    attributes: { auto_pad: string('SAME_UPPER') },
  },
  {
    op: 'ConvTranspose',
    opsets: existing('ConvTranspose'),
    inputs: [x(1, 2, 3, 3), x(2, 3, 3, 3)],
    attributes: { strides: ints(2, 2) },
  },
  {
    op: 'MaxPool',
    opsets: existing('MaxPool'),
    inputs: [x(1, 2, 5, 5)],
    attributes: { kernel_shape: ints(2, 2), strides: ints(2, 2) },
  },
  {
    op: 'MaxPool',
    opsets: [8, 12, 22],
    inputs: [x(1, 2, 4, 4)],
    attributes: { kernel_shape: ints(2, 2) },
    outputCount: 2,
  },
  {
    op: 'MaxPool',
    opsets: [10, 22],
    inputs: [x(1, 2, 5, 5)],
    attributes: { kernel_shape: ints(2, 2), strides: ints(2, 2), ceil_mode: int(1) },
  },
  {
    op: 'AveragePool',
    opsets: existing('AveragePool'),
    inputs: [x(1, 2, 5, 5)],
    attributes: { kernel_shape: ints(3, 3), pads: ints(1, 1, 1, 1), count_include_pad: int(1) },
  },
  {
    op: 'AveragePool',
    opsets: [10, 11, 19, 22],
    inputs: [x(1, 2, 6, 6)],
    attributes: { kernel_shape: ints(3, 3), strides: ints(2, 2), ceil_mode: int(1) },
  },
  ...['GlobalAveragePool', 'GlobalMaxPool'].map((op) => ({
    op,
    opsets: existing(op),
    inputs: [x(2, 3, 4, 4)],
  })),
  { op: 'GlobalLpPool', opsets: [7], inputs: [x(2, 3, 4, 4)] },
  { op: 'LpPool', opsets: existing('LpPool'), inputs: [x(1, 2, 4, 4)], attributes: { kernel_shape: ints(2, 2) } },
  { op: 'LpNormalization', opsets: existing('LpNormalization'), inputs: [x(2, 3)] },
  { op: 'LRN', opsets: existing('LRN'), inputs: [x(1, 5, 2, 2)], attributes: { size: int(3) } },
  {
    op: 'InstanceNormalization',
    opsets: existing('InstanceNormalization'),
    inputs: [x(2, 3, 4), list(1, 2, 3), list(0, 1, 2)],
  },
  { op: 'LayerNormalization', opsets: [17, 22], inputs: [x(2, 3, 4), list(1, 2, 3, 4), list(0, 1, 2, 3)] },
  { op: 'DepthToSpace', opsets: existing('DepthToSpace'), inputs: [x(1, 8, 2, 2)], attributes: { blocksize: int(2) } },
  { op: 'SpaceToDepth', opsets: existing('SpaceToDepth'), inputs: [x(1, 2, 4, 4)], attributes: { blocksize: int(2) } },
  { op: 'CumSum', opsets: [11, 14], inputs: [x(2, 3), scalar(1, 'int64')], attributes: { reverse: int(1) } },
  { op: 'Einsum', opsets: [12, 22], inputs: [x(2, 3), x(3, 4)], attributes: { equation: string('ij,jk->ki') } },
  { op: 'Where', opsets: [9, 16], inputs: [{ shape: [2, 3], data: [1, 0, 1, 0, 0, 1], dtype: 'bool' }, x(2, 3), x(3)] },
  { op: 'Trilu', opsets: [14], inputs: [x(3, 3)], attributes: { upper: int(0) } },
  { op: 'Mod', opsets: [10, 13], inputs: [x(2, 3), positive(3)], attributes: { fmod: int(1) } },
  { op: 'Mish', opsets: [18, 22], inputs: [x(2, 3)] },
  { op: 'OneHot', opsets: [9, 11], inputs: [vector(0, 2), scalar(3, 'int64'), list(-1, 2)] },
  { op: 'EyeLike', opsets: [9, 22], inputs: [x(3, 3)] },
  { op: 'Shape', opsets: existing('Shape'), inputs: [x(2, 3)] },
  { op: 'Shape', opsets: [15, 22], inputs: [x(2, 3, 4)], attributes: { start: int(-2), end: int(9) } },
  { op: 'Size', opsets: existing('Size'), inputs: [x(2, 3)] },
  { op: 'Constant', opsets: [12, 22], inputs: [], attributes: { value_floats: floats(1, 2) } },
  { op: 'Constant', opsets: [12, 22], inputs: [], attributes: { value_int: int(7) } },
  { op: 'ConstantOfShape', opsets: [9, 20], inputs: [vector(2, 3)] },
  { op: 'Range', opsets: [11], inputs: [scalar(1), scalar(7), scalar(2)] },
  { op: 'QuantizeLinear', opsets: [10, 13, 19], inputs: [x(2, 3), scalar(0.1), scalar(3, 'uint8')] },
  {
    op: 'DequantizeLinear',
    opsets: [10, 13, 19],
    inputs: [{ shape: [3], data: [1, 9, 200], dtype: 'uint8' }, scalar(0.1), scalar(3, 'uint8')],
  },
  { op: 'Identity', opsets: existing('Identity'), inputs: [x(2, 3)] },
  { op: 'NonZero', opsets: [9, 13], inputs: [list(0, 1, 0, 2)] },
  { op: 'SoftmaxCrossEntropyLoss', opsets: [12, 13], inputs: [x(2, 3), { shape: [2], data: [0, 2], dtype: 'int64' }] },
  {
    op: 'NegativeLogLikelihoodLoss',
    opsets: [12, 13, 22],
    inputs: [x(2, 3), { shape: [2], data: [0, 2], dtype: 'int64' }],
  },
];

function modelOf({ op, inputs, attributes = {}, outputCount = 1 }: Case, opset: number): Graph {
  const graph = emptyGraph(op);
  inputs.forEach((input, i) => {
    if (input === undefined) return;
    const array = inputArray(input, i + 1);
    if (input.constant) graph.initializers.set(`x${i}`, toTensor(array));
    else graph.inputs.push({ name: `x${i}`, dtype: array.dtype, shape: array.shape });
  });
  const outputs = Array.from({ length: outputCount }, (_, i) => `y${i}`);
  const names = inputs.map((input, i) => (input === undefined ? '' : `x${i}`));
  graph.nodes.push({ name: 'node', op, domain: '', inputs: names, outputs, attributes });
  graph.opsets = { '': opset };
  // The runtime infers output types, but wants them declared; after specialisation they are known.
  const types = specialize(
    { ...graph, outputs: outputs.map((name) => ({ name, dtype: 'float32', shape: undefined })) },
    {},
  );
  graph.outputs = types.outputs.map(({ name, dtype }) => ({ name, dtype, shape: undefined }));
  return graph;
}

describe.each(cases.flatMap((one) => one.opsets.map((opset) => ({ ...one, opset }))))(
  '$op of operator set $opset $attributes',
  (one) => {
    test('computes the same after canonicalisation', async () => {
      const graph = modelOf(one, one.opset);
      const special = specialize(graph, {});
      expect(special.opsets).toEqual({ '': 18 });
      const feeds = Object.fromEntries(
        one.inputs.flatMap((input, i) =>
          input === undefined || input.constant ? [] : [[`x${i}`, inputArray(input, i + 1)]],
        ),
      );
      const expected = await runInOnnxRuntime(graph, feeds);
      const actual = await runInOnnxRuntime(special, feeds);
      for (const [name, array] of Object.entries(expected)) {
        expectClose(actual[name]!, array, `${one.op}-${one.opset} output ${name}`, isFloat(array.dtype) ? 1e-5 : 0);
      }
    });
  },
);
