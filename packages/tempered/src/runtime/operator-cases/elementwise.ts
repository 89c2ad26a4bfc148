import {
  booleans,
  constant,
  fed,
  float,
  floats,
  int,
  integers,
  numbers,
  type OperatorCase,
  on,
  typed,
} from './operator-case.ts';

/** Functions of one float, with the interval they are tried on. */
const FUNCTIONS: readonly (readonly [string, number, number])[] = [
  ['Abs', -2, 2],
  ['Neg', -2, 2],
  ['Exp', -4, 4],
  ['Log', 0.01, 9],
  ['Sqrt', 0, 9],
  ['Reciprocal', 0.1, 4],
  ['Sigmoid', -8, 8],
  ['Tanh', -5, 5],
  ['Relu', -2, 2],
  ['LeakyRelu', -2, 2],
  ['Elu', -4, 2],
  ['Selu', -4, 2],
  ['Celu', -4, 2],
  ['Softplus', -8, 8],
  ['Softsign', -4, 4],
  ['HardSigmoid', -6, 6],
  ['HardSwish', -6, 6],
  ['Mish', -6, 6],
  ['ThresholdedRelu', -3, 3],
  ['Shrink', -3, 3],
  ['Erf', -3, 3],
  ['Asin', -1, 1],
  ['Acos', -1, 1],
  ['Atan', -4, 4],
  ['Sinh', -4, 4],
  ['Cosh', -4, 4],
  ['Asinh', 0, 4],
  ['Acosh', 1, 9],
  ['Atanh', -0.9, 0.9],
  ['Floor', -4, 4],
  ['Ceil', -4, 4],
  ['Sign', -2, 2],
  ['Identity', -2, 2],
];

/** WebGPU's shading language promises sines and cosines within 2⁻¹¹ on [−π, π], and no better. */
const TRIGONOMETRIC: readonly OperatorCase[] = [
  on('Sin', 'float', [floats([2, 3, 37], -3.14, 3.14)]),
  on('Cos', 'float', [floats([2, 3, 37], -3.14, 3.14)]),
  on('Tan', 'float', [floats([2, 3, 37], -1, 1)]),
].map((operatorCase) => ({ ...operatorCase, tolerance: 2 ** -10 }));

const binary = ['Add', 'Sub', 'Mul', 'Div', 'Min', 'Max'].flatMap((operator) => [
  on(operator, 'same shapes', [floats([2, 3, 4, 5]), floats([2, 3, 4, 5], 0.5, 2, 7)]),
  on(operator, 'broadcast of channels', [floats([2, 3, 4, 5]), floats([3, 1, 1], 0.5, 2, 7)]),
  on(operator, 'broadcast of both', [floats([2, 1, 4, 1]), floats([3, 1, 5], 0.5, 2, 7)]),
  on(operator, 'scalar constant', [floats([2, 3, 7]), constant(floats([], 0.5, 2, 7))]),
]);

const comparisons = ['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'].flatMap((operator) => [
  on(operator, 'with ties', [numbers([1, 2, 3, 4, 0, -1]), numbers([1, 3, 2, 4, -0, -1])], {}, ['bool']),
  on(operator, 'broadcast', [floats([2, 3, 5]), floats([3, 1], -1, 1, 5)], {}, ['bool']),
  on(operator, 'against a constant', [floats([3, 7]), constant(floats([]))], {}, ['bool']),
]);

const logic = ['And', 'Or', 'Xor'].map((operator) =>
  on(operator, 'truth table', [booleans([0, 0, 1, 1]), booleans([0, 1, 0, 1])], {}, ['bool']),
);

export const elementwiseCases: readonly OperatorCase[] = [
  ...FUNCTIONS.map(([operator, low, high]) => on(operator, 'float', [floats([2, 3, 37], low, high)])),
  ...TRIGONOMETRIC,
  ...binary,
  ...comparisons,
  ...logic,
  on('Not', 'truth table', [booleans([0, 1])], {}, ['bool']),
  on('Round', 'halves to even', [numbers([-2.5, -1.5, -0.5, 0.4, 0.5, 1.5, 2.5])]),
  on('Sign', 'zero', [numbers([-2, 0, 3])]),
  on('LeakyRelu', 'alpha', [floats([3, 5])], { alpha: float(0.2) }),
  on('Elu', 'alpha', [floats([3, 5])], { alpha: float(0.5) }),
  on('HardSigmoid', 'alpha, beta', [floats([3, 5], -6, 6)], { alpha: float(1 / 6), beta: float(0.5) }),
  on('PRelu', 'one slope a channel', [floats([2, 3, 4, 4]), constant(floats([3, 1, 1], 0, 1, 3))]),
  on('Clip', 'both bounds', [floats([2, 3, 5]), constant(numbers([-0.3], [])), constant(numbers([0.6], []))]),
  on('Clip', 'upper bound', [floats([2, 3, 5]), undefined, constant(numbers([0.2], []))]),
  on('Pow', 'square', [floats([2, 3, 5]), constant(numbers([2], []))]),
  on('Pow', 'square root', [floats([2, 3, 5], 0, 4), constant(numbers([0.5], []))]),
  on('Pow', 'tensors', [floats([2, 3, 5], 0.1, 3), floats([5], -2, 2, 3)]),
  on('Mod', 'fmod', [floats([2, 3], -5, 5), constant(numbers([2], []))], { fmod: int(1) }),
  on('Sum', 'three inputs', [floats([2, 3]), floats([2, 3], -1, 1, 3), floats([3], -1, 1, 5)]),
  on('Mean', 'three inputs', [floats([2, 3]), floats([2, 3], -1, 1, 3), floats([3], -1, 1, 5)]),
  on('Where', 'same shapes', [booleans([1, 0, 0, 1, 0, 1], [2, 3]), floats([2, 3]), floats([2, 3], -1, 1, 5)]),
  on('Where', 'broadcast', [booleans([1, 0, 1], [3, 1]), floats([2, 3, 4]), constant(numbers([0], []))]),
  on('Where', 'infinite branch not taken', [booleans([1, 0, 1]), floats([3]), numbers([Infinity, 2, NaN])]),
  on('IsNaN', 'float', [numbers([0, NaN, 1, Infinity])], {}, ['bool']),
  on('IsInf', 'float', [numbers([0, NaN, -Infinity, Infinity])], {}, ['bool']),
  on('Cast', 'float to bool', [numbers([0, 1, -2, 0.5])], { to: int(9) }, ['bool']),
  on('Cast', 'bool to float', [booleans([0, 1, 1])], { to: int(1) }),
  on('Cast', 'float to int32', [numbers([-1.7, 0, 2.7])], { to: int(6) }, ['int32']),
  on('Cast', 'int32 to float', [typed('int32', [-3, 0, 7])], { to: int(1) }),
  on('Cast', 'int64 to float', [fed(integers([-3, 0, 7]))], { to: int(1) }),
  on('CastLike', 'bool to float', [booleans([0, 1, 1]), constant(numbers([1]))]),
  on('Dropout', 'inference', [floats([2, 5])]),
  on(
    'QuantizeLinear',
    'uint8',
    [floats([2, 5]), constant(numbers([0.01], [])), constant(typed('uint8', [128], []))],
    {},
    ['uint8'],
  ),
  on('DequantizeLinear', 'uint8', [
    typed('uint8', [0, 127, 255]),
    constant(numbers([0.01], [])),
    constant(typed('uint8', [128], [])),
  ]),
  on(
    'DequantizeLinear',
    'int8, one scale a channel',
    [
      constant(typed('int8', [-128, 0, 127, 5, 6, 7], [2, 3])),
      constant(numbers([0.1, 0.2])),
      constant(typed('int8', [0, 3])),
    ],
    { axis: int(0) },
  ),
];
