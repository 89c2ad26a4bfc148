import { describe, expect, it } from 'vitest';
import { checkRule, type RuleCase, type RuleInput, testNumbers } from '../testing/check-rule.ts';

/** Numbers in (low, high), well away from the ends. */
const between = (low: number, high: number, shape: readonly number[] = [2, 3], seed = 5): RuleInput => ({
  shape,
  data: testNumbers(
    shape.reduce((a, b) => a * b, 1),
    seed,
  ).map((u) => low + ((u + 1) / 2) * (high - low)),
});

const SHAPES: [readonly number[], readonly number[]][] = [
  [
    [2, 3],
    [2, 3],
  ],
  [
    [2, 3, 4],
    [3, 1],
  ],
  [
    [1, 3],
    [2, 1, 1],
  ],
  [[], [2, 2]],
];

const positive = (shape: readonly number[], seed: number): RuleInput => between(0.4, 2, shape, seed);

describe('gradients of arithmetic', () => {
  const binary: [string, (shape: readonly number[], seed: number) => RuleInput][] = [
    ['Add', (shape) => ({ shape })],
    ['Sub', (shape) => ({ shape })],
    ['Mul', (shape) => ({ shape })],
    ['Div', positive],
    ['Pow', positive],
    ['Max', (shape) => ({ shape })],
    ['Min', (shape) => ({ shape })],
  ];
  const cases = binary.flatMap(([op, input]) =>
    SHAPES.map(([a, b]): RuleCase => ({ op, inputs: [input(a, 3), input(b, 8)], tolerance: 2e-6 })),
  );
  it.each(cases)('$op $inputs.0.shape $inputs.1.shape', (test) => {
    checkRule(test);
  });

  it.each<RuleCase>([
    { op: 'Sum', inputs: [{ shape: [2, 3] }, { shape: [3] }, { shape: [] }] },
    { op: 'Mean', inputs: [{ shape: [2, 3] }, { shape: [3] }, { shape: [] }] },
    { op: 'Max', inputs: [{ shape: [2, 3] }, { shape: [3] }, { shape: [] }] },
    { op: 'Min', inputs: [{ shape: [2, 3] }] },
    { op: 'Mod', attributes: { fmod: 1 }, inputs: [between(-4, 4), between(0.8, 1.3, [3])] },
    { op: 'Pow', inputs: [{ shape: [2, 3] }, { shape: [], data: [2], constant: true }] },
    { op: 'Pow', inputs: [{ shape: [2, 3] }, { shape: [], data: [3], constant: true }] },
    { op: 'Pow', inputs: [{ shape: [2, 3] }, { shape: [1], data: [5], dtype: 'int64', constant: true }] },
    { op: 'Pow', inputs: [{ shape: [2, 3] }, { shape: [3], data: [0, 1, 4], constant: true }] },
    { op: 'Pow', inputs: [positive([2, 3], 1), { shape: [], data: [-1.5], constant: true }], tolerance: 1e-5 },
  ])('$op of $inputs.length inputs', (test) => {
    checkRule(test);
  });
});

describe('gradients of elementary functions', () => {
  const anywhere = between(-2, 2);
  it.each<[string, RuleInput]>([
    ['Neg', anywhere],
    ['Abs', anywhere],
    ['Sign', anywhere],
    ['Floor', anywhere],
    ['Ceil', anywhere],
    ['Round', anywhere],
    ['Reciprocal', between(0.5, 2)],
    ['Sqrt', between(0.5, 2)],
    ['Exp', anywhere],
    ['Log', between(0.5, 2)],
    ['Erf', anywhere],
    ['Sin', anywhere],
    ['Cos', anywhere],
    ['Tan', between(-1, 1)],
    ['Asin', between(-0.8, 0.8)],
    ['Acos', between(-0.8, 0.8)],
    ['Atan', anywhere],
    ['Sinh', anywhere],
    ['Cosh', anywhere],
    ['Asinh', anywhere],
    ['Acosh', between(1.3, 3)],
    ['Atanh', between(-0.8, 0.8)],
  ])('%s', (op, input) => {
    checkRule({ op, inputs: [input] });
  });
});

describe('gradients of activation functions', () => {
  const anywhere = between(-5, 5, [3, 5]);
  it.each<[string, Record<string, number>?]>([
    ['Relu'],
    ['Sigmoid'],
    ['Tanh'],
    ['Softplus'],
    ['Softsign'],
    ['Mish'],
    ['HardSwish'],
    ['HardSigmoid'],
    ['HardSigmoid', { alpha: 1 / 6, beta: 0.4 }],
    ['LeakyRelu'],
    ['LeakyRelu', { alpha: -0.3 }],
    ['Elu'],
    ['Elu', { alpha: 0.4 }],
    ['Celu', { alpha: 1.7 }],
    ['Selu'],
    ['ThresholdedRelu', { alpha: 0.7 }],
    ['Shrink', { lambd: 1.5, bias: 0.5 }],
  ])('%s %o', (op, attributes) => {
    checkRule({ op, attributes, inputs: [anywhere] });
  });

  const number = (value: number): RuleInput => ({ shape: [], data: [value] });
  it.each<RuleCase>([
    { op: 'Clip', inputs: [anywhere] },
    { op: 'Clip', inputs: [anywhere, number(-1)] },
    { op: 'Clip', inputs: [anywhere, undefined, number(2)] },
    { op: 'Clip', inputs: [anywhere, number(-1), number(2)] },
    { op: 'PRelu', inputs: [anywhere, { shape: [5] }] },
    { op: 'PRelu', inputs: [{ shape: [2, 3, 2, 2] }, { shape: [3, 1, 1] }] },
  ])('$op with $inputs.length inputs', (test) => {
    checkRule(test);
  });
});

describe('gradients of choices and conversions', () => {
  const condition: RuleInput = { shape: [2, 3], data: [1, 0, 0, 1, 1, 0], dtype: 'bool' };
  it.each<RuleCase>([
    { op: 'Where', inputs: [condition, { shape: [2, 3] }, { shape: [3] }] },
    { op: 'Where', inputs: [condition, { shape: [] }, { shape: [4, 1, 1] }] },
    { op: 'Identity', inputs: [{ shape: [2] }] },
    { op: 'Dropout', inputs: [{ shape: [2] }, { shape: [], data: [0.5], constant: true }], outputCount: 2 },
    { op: 'Cast', inputs: [{ shape: [2] }], attributes: { to: 11 } },
    { op: 'CastLike', inputs: [{ shape: [2] }, { shape: [], data: [1], constant: true, dtype: 'float64' }] },
  ])('$op', (test) => {
    checkRule(test);
  });

  it('an integer cast has no gradient', () => {
    expect(() => checkRule({ op: 'Cast', inputs: [{ shape: [2] }], attributes: { to: 7 } })).toThrow(/int64/);
  });
});
