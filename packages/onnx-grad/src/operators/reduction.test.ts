import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../builder.ts';
import { checkAgainstOnnxRuntime, type OperatorCase, type OperatorInput } from '../testing/onnxruntime.ts';

const integers = (data: number[]): OperatorInput => ({
  shape: [data.length],
  data,
  dtype: 'int64',
  constant: true,
});
const scalar = (value: number): OperatorInput => ({ shape: [], data: [value], dtype: 'int64', constant: true });
const X: OperatorInput = { shape: [2, 3, 4], data: Array.from({ length: 24 }, (_, i) => 0.3 + ((i * 7) % 24) / 10) };

describe('values of reductions are those of ONNX Runtime', () => {
  const operators = [
    'ReduceSum',
    'ReduceMean',
    'ReduceMax',
    'ReduceMin',
    'ReduceProd',
    'ReduceL1',
    'ReduceL2',
    'ReduceSumSquare',
    'ReduceLogSum',
    'ReduceLogSumExp',
  ];
  const forms: [OperatorInput | undefined, Record<string, number>][] = [
    [undefined, {}],
    [undefined, { keepdims: 0 }],
    [integers([1]), { keepdims: 0 }],
    [integers([-1, 0]), {}],
    [integers([2, 1]), { keepdims: 0 }],
  ];
  const cases = operators.flatMap((op) =>
    forms.map(([axes, attributes]): OperatorCase => ({ op, attributes, inputs: [X, axes], tolerance: 2e-5 })),
  );
  it.each(cases)('$op over $inputs.1.data $attributes', async (test) => {
    await checkAgainstOnnxRuntime(test);
  });

  it.each<OperatorCase>([
    { op: 'ReduceSum', attributes: { noop_with_empty_axes: 1 }, inputs: [X, integers([])] },
    { op: 'ReduceSum', inputs: [{ ...X, dtype: 'int64', data: [...Array(24).keys()] }, integers([1])] },
    { op: 'ReduceMean', inputs: [{ shape: [3], dtype: 'int32', data: [1, 2, 5] }] },
    { op: 'ReduceMax', inputs: [{ shape: [2, 2], data: [Number.NEGATIVE_INFINITY, -3, -1, -2] }, integers([1])] },
    { op: 'ReduceLogSumExp', inputs: [{ shape: [3], data: [1000, 999, -1000] }] },
    { op: 'ReduceSum', inputs: [{ shape: [], data: [3] }] },
    { op: 'ReduceSum', inputs: [{ shape: [2, 0, 3] }, integers([1])] },
  ])('$op $attributes, edge case', async (test) => {
    await checkAgainstOnnxRuntime(test);
  });
});

describe('values along an axis are those of ONNX Runtime', () => {
  const ties: OperatorInput = { shape: [2, 4], data: [1, 3, 3, 2, 5, 0, 0, 5] };
  it.each<OperatorCase>([
    { op: 'Softmax', inputs: [X] },
    { op: 'Softmax', attributes: { axis: 1 }, inputs: [X] },
    { op: 'Softmax', inputs: [{ shape: [3], data: [1000, 999, -1000] }] },
    { op: 'LogSoftmax', attributes: { axis: -3 }, inputs: [X] },
    { op: 'LogSoftmax', inputs: [{ shape: [3], data: [1000, 999, -1000] }] },
    { op: 'Hardmax', inputs: [ties] },
    { op: 'Hardmax', attributes: { axis: 1 }, inputs: [X] },
    { op: 'ArgMax', attributes: { axis: 1 }, inputs: [ties] },
    { op: 'ArgMax', attributes: { axis: -1, keepdims: 0, select_last_index: 1 }, inputs: [ties] },
    { op: 'ArgMin', attributes: { axis: 1 }, inputs: [X] },
    { op: 'ArgMin', attributes: { axis: 1, select_last_index: 1 }, inputs: [ties] },
    { op: 'CumSum', inputs: [X, scalar(1)] },
    { op: 'CumSum', attributes: { exclusive: 1 }, inputs: [X, scalar(-1)] },
    { op: 'CumSum', attributes: { reverse: 1 }, inputs: [X, scalar(0)] },
    { op: 'CumSum', attributes: { exclusive: 1, reverse: 1 }, inputs: [X, scalar(2)] },
    { op: 'TopK', inputs: [X, integers([2])], outputCount: 2 },
    { op: 'TopK', attributes: { axis: 1, largest: 0 }, inputs: [X, integers([3])], outputCount: 2 },
    { op: 'TopK', inputs: [ties, integers([3])], outputCount: 2 },
  ])('$op $attributes', async (test) => {
    await checkAgainstOnnxRuntime(test);
  });
});

describe('what does not fit is named', () => {
  it('an axis out of range', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 3]);
    expect(() => g.reduceSum(x, [2])).toThrow(/axis 2 of ReduceSum node 'ReduceSum_\d+' is out of range for rank 2/);
    expect(() => g.op('Softmax', [x], { axis: -3 })).toThrow(/axis -3 of Softmax node/);
  });

  it('axes that depend on the data', () => {
    const g = new GraphBuilder();
    const axes = g.input('axes', 'int64', [1]);
    expect(() => g.op('ReduceMean', [g.input('x', 'float32', [2]), axes])).toThrow(/input 1 of ReduceMean .* constant/);
  });

  it('more elements than there are', () => {
    const g = new GraphBuilder();
    expect(() => g.node('TopK', [g.input('x', 'float32', [2, 3]), g.integers([4])], {}, 2)).toThrow(
      /4 of the 3 elements/,
    );
  });
});
