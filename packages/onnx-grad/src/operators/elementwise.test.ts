import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../builder.ts';
import { checkAgainstOnnxRuntime, type OperatorCase, type OperatorInput } from '../testing/onnxruntime.ts';

const floats = (data: number[]): OperatorInput => ({ shape: [data.length], data });
const integers = (data: number[], dtype: 'int32' | 'int64' = 'int64'): OperatorInput => ({
  shape: [data.length],
  data,
  dtype,
});
const scalar = (value: number): OperatorInput => ({ shape: [], data: [value] });
const flags = (data: number[]): OperatorInput => ({ shape: [data.length], data, dtype: 'bool' });

const ANYWHERE = floats([-4.5, -3, -2.5, -1.5, -0.5, -0.2, 0, 0.3, 0.5, 1, 1.5, 2.5, 3, 3.5, 20]);
const POSITIVE = floats([0, 0.1, 0.5, 1, 2, 30]);
const WITHIN_ONE = floats([-0.9, -0.3, 0, 0.2, 0.8]);
const SPECIAL = floats([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 1]);

describe('values of arithmetic are those of ONNX Runtime', () => {
  const broadcasts: [readonly number[], readonly number[]][] = [
    [
      [2, 3, 4],
      [2, 3, 4],
    ],
    [
      [2, 3, 4],
      [3, 1],
    ],
    [
      [2, 1, 4],
      [3, 1],
    ],
    [[], [2, 2]],
    [[2, 0], [1]],
  ];
  const binary = ['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Greater', 'LessOrEqual'];
  it.each(binary.flatMap((op) => broadcasts.map(([a, b]) => ({ op, a, b }))))(
    '$op of $a and $b',
    async ({ op, a, b }) => {
      await checkAgainstOnnxRuntime({ op, inputs: [{ shape: a }, { shape: b }] });
    },
  );

  it.each<OperatorCase>([
    { op: 'Div', inputs: [integers([7, -7, 9, -1]), integers([2])] },
    { op: 'Mod', inputs: [integers([7, -7, 9, -1]), integers([3, 3, -4, 2])] },
    { op: 'Mod', attributes: { fmod: 1 }, inputs: [floats([7.5, -7.5, 9, -1]), floats([2])] },
    { op: 'Pow', inputs: [floats([0, 1.5, -2, 3]), floats([0, 2, 3, -1])] },
    { op: 'Pow', inputs: [floats([0, 1.5, -2, 3]), integers([0, 2, 3, -1])] },
    { op: 'Pow', inputs: [integers([0, 2, -2, 3]), integers([0, 2, 3, 2])] },
    { op: 'Sum', inputs: [{ shape: [2, 3] }, { shape: [3] }, { shape: [2, 1] }] },
    { op: 'Mean', inputs: [{ shape: [2, 3] }, { shape: [3] }, { shape: [] }] },
    { op: 'Max', inputs: [{ shape: [2, 3] }, { shape: [3] }, { shape: [] }] },
    { op: 'Min', inputs: [{ shape: [2, 3] }] },
  ])('$op $attributes', async (test) => {
    await checkAgainstOnnxRuntime(test);
  });
});

describe('values of functions of one number are those of ONNX Runtime', () => {
  it.each<[string, OperatorInput, Record<string, number>?]>([
    ['Neg', ANYWHERE],
    ['Abs', ANYWHERE],
    ['Sign', ANYWHERE],
    ['Floor', ANYWHERE],
    ['Ceil', ANYWHERE],
    ['Round', ANYWHERE],
    ['Reciprocal', POSITIVE],
    ['Sqrt', POSITIVE],
    ['Exp', floats([-3, 0, 2])],
    ['Log', POSITIVE],
    ['Erf', ANYWHERE],
    ['Sin', ANYWHERE],
    ['Cos', ANYWHERE],
    ['Tan', WITHIN_ONE],
    ['Asin', WITHIN_ONE],
    ['Acos', WITHIN_ONE],
    ['Atan', ANYWHERE],
    ['Sinh', WITHIN_ONE],
    ['Cosh', WITHIN_ONE],
    ['Asinh', ANYWHERE],
    ['Acosh', floats([1, 1.5, 7])],
    ['Atanh', WITHIN_ONE],
    ['IsNaN', SPECIAL],
    ['IsInf', SPECIAL],
    ['IsInf', SPECIAL, { detect_negative: 0 }],
    ['IsInf', SPECIAL, { detect_positive: 0 }],
    ['Relu', ANYWHERE],
    ['Sigmoid', ANYWHERE],
    ['Tanh', ANYWHERE],
    ['Softplus', ANYWHERE],
    ['Softsign', ANYWHERE],
    ['Mish', ANYWHERE],
    ['HardSwish', ANYWHERE],
    ['HardSigmoid', ANYWHERE],
    ['HardSigmoid', ANYWHERE, { alpha: 0.3, beta: 0.1 }],
    ['LeakyRelu', ANYWHERE],
    ['LeakyRelu', ANYWHERE, { alpha: 0.3 }],
    ['Elu', ANYWHERE],
    ['Elu', ANYWHERE, { alpha: 2 }],
    ['Celu', ANYWHERE, { alpha: 1.7 }],
    ['Selu', ANYWHERE],
    ['Selu', ANYWHERE, { alpha: 1.2, gamma: 2 }],
    ['ThresholdedRelu', ANYWHERE],
    ['ThresholdedRelu', ANYWHERE, { alpha: -0.2 }],
    ['Shrink', ANYWHERE, { lambd: 1.5, bias: 0.5 }],
    ['Not', flags([0, 1])],
  ])('%s', async (op, input, attributes) => {
    await checkAgainstOnnxRuntime({ op, attributes, inputs: [input] });
  });
});

describe('values of choices, logic and conversions are those of ONNX Runtime', () => {
  const a = flags([0, 0, 1, 1]);
  const b = flags([0, 1, 0, 1]);
  const numbers = floats([1, 2, 3, Number.NaN]);
  const quantized: OperatorInput = { shape: [2, 3], data: [-128, -5, 0, 1, 60, 127], dtype: 'int8' };
  it.each<OperatorCase>([
    { op: 'And', inputs: [a, b] },
    { op: 'Or', inputs: [a, b] },
    { op: 'Xor', inputs: [a, b] },
    { op: 'Equal', inputs: [numbers, floats([1, 3, 2, Number.NaN])] },
    { op: 'Equal', inputs: [integers([1, 2]), integers([1, 3])] },
    { op: 'Greater', inputs: [numbers, scalar(2)] },
    { op: 'GreaterOrEqual', inputs: [numbers, scalar(2)] },
    { op: 'Less', inputs: [numbers, scalar(2)] },
    { op: 'LessOrEqual', inputs: [numbers, scalar(2)] },
    { op: 'Where', inputs: [flags([1, 0, 1]), { shape: [2, 1] }, { shape: [3] }] },
    { op: 'Where', inputs: [flags([1]), integers([3, 4]), integers([5])] },
    { op: 'Clip', inputs: [ANYWHERE] },
    { op: 'Clip', inputs: [ANYWHERE, scalar(-1), scalar(2)] },
    { op: 'Clip', inputs: [ANYWHERE, undefined, scalar(2)] },
    { op: 'Clip', inputs: [ANYWHERE, scalar(2), scalar(-1)] },
    { op: 'PRelu', inputs: [{ shape: [2, 3, 2] }, { shape: [3, 1] }] },
    { op: 'Identity', inputs: [ANYWHERE] },
    { op: 'Dropout', inputs: [ANYWHERE], outputCount: 2 },
    { op: 'Cast', attributes: { to: 6 }, inputs: [ANYWHERE] },
    { op: 'Cast', attributes: { to: 7 }, inputs: [ANYWHERE] },
    { op: 'Cast', attributes: { to: 9 }, inputs: [ANYWHERE] },
    { op: 'Cast', attributes: { to: 1 }, inputs: [integers([-3, 0, 9])] },
    { op: 'CastLike', inputs: [ANYWHERE, integers([0], 'int32')] },
    { op: 'QuantizeLinear', inputs: [floats([-1, 0.25, 0.75, 1.25, 200]), scalar(0.5)] },
    {
      op: 'QuantizeLinear',
      inputs: [{ shape: [2, 3] }, floats([0.1, 0.002, 0.3]), { shape: [3], data: [0, 5, -7], dtype: 'int8' }],
    },
    {
      op: 'QuantizeLinear',
      attributes: { axis: -2 },
      inputs: [{ shape: [2, 3] }, floats([0.1, 0.002]), { shape: [2], data: [3, 128], dtype: 'uint8' }],
    },
    { op: 'DequantizeLinear', inputs: [quantized, scalar(0.5)] },
    {
      op: 'DequantizeLinear',
      attributes: { axis: 0 },
      inputs: [quantized, floats([0.5, 0.1]), { shape: [2], data: [3, -9], dtype: 'int8' }],
    },
  ])('$op $attributes', async (test) => {
    await checkAgainstOnnxRuntime(test);
  });
});

describe('inputs that do not fit are named', () => {
  const build =
    (op: string, ...shapes: number[][]) =>
    () => {
      const g = new GraphBuilder();
      g.op(
        op,
        shapes.map((shape, i) => g.input(`x${i}`, 'float32', shape)),
      );
    };
  it.each([
    ['shapes', build('Add', [2, 3], [2]), /\[2,3\] and \[2\] of Add node 'Add_1' do not broadcast/],
    ['a missing input', build('Mul', [2]), /Mul node 'Mul_1' lacks its input 1/],
    ['a wide slope', build('PRelu', [2], [3, 2]), /slope \[3,2\] of PRelu node 'PRelu_1'/],
    ['a vector bound', build('Clip', [2], [2]), /bound 1 of Clip node 'Clip_1'/],
    ['scales', build('QuantizeLinear', [2, 3], [2]), /scale \[2\] of QuantizeLinear node .* axis 1/],
  ])('%s', (_, run, message) => {
    expect(run).toThrow(message);
  });

  it('types that differ', () => {
    const g = new GraphBuilder();
    expect(() => g.add(g.input('a', 'float32', [2]), g.input('b', 'int64', [2]))).toThrow(
      /inputs of Add node 'Add_1' differ in type: float32, int64/,
    );
  });

  it('Dropout in training mode', () => {
    const g = new GraphBuilder();
    const training = g.tensor({ dtype: 'bool', shape: [], data: Uint8Array.of(1) });
    expect(() => g.node('Dropout', [g.input('x', 'float32', [2]), undefined, training])).toThrow(/training mode/);
  });
});
