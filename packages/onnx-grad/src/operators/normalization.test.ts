import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../builder.ts';
import { ShapeError } from '../errors.ts';
import { checkAgainstOnnxRuntime, type OperatorCase } from '../testing/onnxruntime.ts';

const shapes = (...list: number[][]) => list.map((shape) => ({ shape }));
const variances = (count: number) => Array.from({ length: count }, (_, i) => 0.3 + 0.4 * i);
const labels = (shape: number[], data: number[], dtype: 'int64' | 'int32' = 'int64') => ({ shape, data, dtype });

const batchNormalization = (shape: number[], extra: Partial<OperatorCase> = {}): OperatorCase => {
  const c = shape[1]!;
  return {
    op: 'BatchNormalization',
    inputs: [...shapes(shape, [c], [c], [c]), { shape: [c], data: variances(c) }],
    ...extra,
  };
};

describe('values agree with ONNX Runtime', () => {
  const cases: [string, OperatorCase][] = [
    ['batch normalisation', batchNormalization([2, 3, 4, 5])],
    ['batch normalisation of vectors', batchNormalization([4, 3], { attributes: { epsilon: 0.01 } })],
    [
      'batch normalisation, training',
      batchNormalization([3, 2, 4, 5], { attributes: { training_mode: 1, momentum: 0.7 }, outputCount: 3 }),
    ],
    ['layer normalisation', { op: 'LayerNormalization', inputs: shapes([2, 3, 8], [8], [8]) }],
    [
      'layer normalisation, two axes, no bias, statistics',
      {
        op: 'LayerNormalization',
        inputs: shapes([2, 3, 8], [3, 8]),
        attributes: { axis: 1, epsilon: 0.1 },
        outputCount: 3,
      },
    ],
    ['instance normalisation', { op: 'InstanceNormalization', inputs: shapes([2, 3, 4, 5], [3], [3]) }],
    ['instance normalisation 1-D', { op: 'InstanceNormalization', inputs: shapes([2, 3, 7], [3], [3]) }],
    ['Lp normalisation', { op: 'LpNormalization', inputs: shapes([2, 3, 4]) }],
    ['Lp normalisation, order 1', { op: 'LpNormalization', inputs: shapes([2, 3, 4]), attributes: { p: 1, axis: 1 } }],
    [
      'Lp normalisation of zeros',
      { op: 'LpNormalization', inputs: [{ shape: [2, 3], data: [0, 0, 0, 3, 0, 4] }], attributes: { axis: 1 } },
    ],
    ['local response', { op: 'LRN', inputs: shapes([2, 6, 3, 4]), attributes: { size: 3, alpha: 0.5, beta: 0.6 } }],
    [
      'local response, other bias',
      { op: 'LRN', inputs: shapes([1, 6, 3, 4]), attributes: { size: 5, alpha: 0.5, bias: 2 } },
    ],
  ];
  test.each(cases)('%s', (_, operatorCase) => checkAgainstOnnxRuntime(operatorCase));

  const scores = { shape: [4, 5] };
  const targets = labels([4], [1, 0, 4, 1]);
  const weights = { shape: [5], data: [0.5, 1, 2, 0.1, 0.7] };
  const volume = { shape: [2, 3, 2, 2] };
  const volumeTargets = labels([2, 2, 2], [0, 1, 2, 2, 1, 0, 0, 2]);
  test.each(['SoftmaxCrossEntropyLoss', 'NegativeLogLikelihoodLoss'])('%s', async (op) => {
    const outputCount = op === 'SoftmaxCrossEntropyLoss' ? 2 : 1;
    for (const reduction of ['none', 'sum', 'mean']) {
      await checkAgainstOnnxRuntime({ op, inputs: [scores, targets], attributes: { reduction }, outputCount });
      await checkAgainstOnnxRuntime({ op, inputs: [scores, targets, weights], attributes: { reduction } });
      await checkAgainstOnnxRuntime({
        op,
        inputs: [scores, targets, weights],
        attributes: { reduction, ignore_index: 1 },
      });
      await checkAgainstOnnxRuntime({ op, inputs: [volume, volumeTargets], attributes: { reduction }, outputCount });
    }
    const ignored = labels([4], [1, -100, 4, 1]);
    await checkAgainstOnnxRuntime({ op, inputs: [scores, ignored, weights], attributes: { ignore_index: -100 } });
  });
});

test.each<[string, number[][], Record<string, number | string>]>([
  ['BatchNormalization', [[2, 3, 4, 4], [3], [3], [3], [4]], {}],
  ['LayerNormalization', [[2, 3], [4]], {}],
  ['LayerNormalization', [[2, 3], [3]], { axis: 2 }],
  ['InstanceNormalization', [[2, 3, 4], [3], [2]], {}],
  ['LpNormalization', [[2, 3]], { p: 3 }],
  ['LpNormalization', [[2, 3]], { axis: 2 }],
  ['LRN', [[2, 3, 4, 4]], {}],
  ['LRN', [[2, 3, 4, 4]], { size: 0 }],
  ['SoftmaxCrossEntropyLoss', [[2, 3], [3]], {}],
  ['SoftmaxCrossEntropyLoss', [[2, 3], [2], [2]], {}],
  ['NegativeLogLikelihoodLoss', [[2, 3], [2]], { reduction: 'median' }],
])('%s refuses shapes %j, %j', (op, inputs, attributes) => {
  const g = new GraphBuilder();
  const values = inputs.map((shape, i) => g.input(`x${i}`, 'float32', shape));
  expect(() => g.op(op, values, attributes)).toThrow(ShapeError);
});
