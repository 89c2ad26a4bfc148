import { describe, it } from 'vitest';
import { checkRule, type RuleCase, type RuleInput, testNumbers } from '../testing/check-rule.ts';

const integers = (data: number[]): RuleInput => ({ shape: [data.length], data, dtype: 'int64', constant: true });
const scalar = (value: number): RuleInput => ({ shape: [], data: [value], dtype: 'int64', constant: true });
const positive = (shape: readonly number[]): RuleInput => ({
  shape,
  data: testNumbers(shape.reduce((a, b) => a * b, 1)).map((u) => 1.5 + u),
});

const OPERATORS = [
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

describe('gradients of reductions', () => {
  const forms: [RuleInput | undefined, Record<string, number>][] = [
    [undefined, {}],
    [integers([1]), { keepdims: 0 }],
    [integers([-1, 0]), { keepdims: 1 }],
    [integers([0, 2]), { keepdims: 0 }],
    [integers([]), {}],
    [undefined, { noop_with_empty_axes: 1 }],
  ];
  const cases = OPERATORS.flatMap((op) =>
    forms.map(
      ([axes, attributes]): RuleCase => ({ op, attributes, inputs: [positive([2, 3, 3]), axes], tolerance: 3e-6 }),
    ),
  );
  it.each(cases)('$op over $inputs.1.data $attributes', (test) => {
    checkRule(test);
  });

  it('ReduceProd at zeros', () => {
    const data = [0, 2, 3, 0, 0, 5, 1, 2, 3, -1, 0, 0, 0, 4, 2];
    checkRule({ op: 'ReduceProd', inputs: [{ shape: [3, 5], data }, integers([1])] });
  });
});

describe('gradients along an axis', () => {
  it.each<RuleCase>([
    { op: 'Softmax', inputs: [{ shape: [2, 5] }] },
    { op: 'Softmax', attributes: { axis: 1 }, inputs: [{ shape: [2, 3, 2] }] },
    { op: 'LogSoftmax', inputs: [{ shape: [2, 5] }] },
    { op: 'LogSoftmax', attributes: { axis: -2 }, inputs: [{ shape: [2, 3, 2] }] },
    { op: 'Hardmax', inputs: [{ shape: [2, 5] }] },
    { op: 'CumSum', inputs: [{ shape: [2, 4] }, scalar(1)] },
    { op: 'CumSum', attributes: { exclusive: 1 }, inputs: [{ shape: [3, 4] }, scalar(0)] },
    { op: 'CumSum', attributes: { exclusive: 1, reverse: 1 }, inputs: [{ shape: [2, 4] }, scalar(-1)] },
    { op: 'TopK', attributes: { axis: 1 }, inputs: [{ shape: [2, 4, 2] }, integers([2])], outputCount: 2 },
    { op: 'TopK', attributes: { largest: 0 }, inputs: [{ shape: [2, 5] }, integers([3])], outputCount: 2 },
  ])('$op $attributes', (test) => {
    checkRule(test);
  });
});
