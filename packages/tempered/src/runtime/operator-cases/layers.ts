import type { Attribute } from 'onnx-grad';
import { constant, float, floats, int, ints, type OperatorCase, on } from './operator-case.ts';

const bias = (channels: number) => constant(floats([channels], -1, 1, 11));

/** Convolutions of 8-channel images: [name, weight shape, attributes]; every weight is tried constant and fed. */
const CONVOLUTIONS: readonly (readonly [string, readonly number[], Readonly<Record<string, Attribute>>])[] = [
  ['1 × 1', [5, 8, 1, 1], {}],
  ['3 × 3, pads', [6, 8, 3, 3], { pads: ints(1, 1, 1, 1) }],
  ['3 × 3, stride 2', [6, 8, 3, 3], { pads: ints(1, 1, 1, 1), strides: ints(2, 2) }],
  ['5 × 3, uneven pads', [4, 8, 5, 3], { pads: ints(2, 0, 1, 2) }],
  ['stride 2 × 1', [4, 8, 3, 3], { strides: ints(2, 1) }],
  ['dilation 2', [4, 8, 3, 3], { dilations: ints(2, 2), pads: ints(2, 2, 2, 2) }],
  ['dilation 2, stride 2', [4, 8, 2, 2], { dilations: ints(2, 2), strides: ints(2, 2) }],
  ['two groups', [6, 4, 3, 3], { group: int(2), pads: ints(1, 1, 1, 1) }],
  ['four groups, stride 2', [8, 2, 3, 3], { group: int(4), strides: ints(2, 2) }],
  ['depthwise', [8, 1, 3, 3], { group: int(8), pads: ints(1, 1, 1, 1) }],
  ['depthwise, two outputs a channel', [16, 1, 3, 3], { group: int(8) }],
  ['depthwise, stride 2', [8, 1, 5, 5], { group: int(8), strides: ints(2, 2), pads: ints(2, 2, 2, 2) }],
];

const convolutions = CONVOLUTIONS.flatMap(([name, shape, attributes]) => {
  const weights = floats(shape, -0.5, 0.5, 7);
  return [
    on('Conv', name, [floats([2, 8, 9, 8]), constant(weights), bias(shape[0]!)], attributes),
    on('Conv', `${name}, fed weights`, [floats([2, 8, 9, 8]), weights], attributes),
  ];
});

const TRANSPOSED: typeof CONVOLUTIONS = [
  ['1 × 1', [8, 5, 1, 1], {}],
  ['3 × 3, pads', [8, 6, 3, 3], { pads: ints(1, 1, 1, 1) }],
  ['stride 2', [8, 6, 3, 3], { strides: ints(2, 2), pads: ints(1, 1, 1, 1) }],
  [
    'stride 2, output padding',
    [8, 6, 3, 3],
    { strides: ints(2, 2), pads: ints(1, 1, 1, 1), output_padding: ints(1, 1) },
  ],
  ['stride 2, uneven pads', [8, 4, 4, 3], { strides: ints(2, 2), pads: ints(1, 0, 2, 1) }],
  ['stride 3, 2 × 2', [8, 4, 2, 2], { strides: ints(3, 3), output_padding: ints(1, 0) }],
  ['dilation 2', [8, 4, 3, 3], { dilations: ints(2, 2) }],
  ['two groups', [8, 3, 3, 3], { group: int(2), strides: ints(2, 2) }],
  ['one output a group', [8, 1, 3, 3], { group: int(2), strides: ints(2, 2), pads: ints(1, 1, 1, 1) }],
  ['two groups, dilation 2', [8, 2, 3, 3], { group: int(2), dilations: ints(2, 2), pads: ints(1, 1, 1, 1) }],
  ['depthwise', [8, 1, 3, 3], { group: int(8), strides: ints(2, 2) }],
];

const transposed = TRANSPOSED.flatMap(([name, shape, attributes]) => {
  const weights = floats(shape, -0.5, 0.5, 7);
  return [
    on('ConvTranspose', name, [floats([2, 8, 5, 6]), constant(weights)], attributes),
    on('ConvTranspose', `${name}, fed weights`, [floats([2, 8, 5, 6]), weights], attributes),
  ];
});

const products: readonly OperatorCase[] = [
  on('MatMul', 'matrices', [floats([5, 7]), floats([7, 3], -1, 1, 3)]),
  on('MatMul', 'constant on the right', [floats([5, 64]), constant(floats([64, 33], -1, 1, 3))]),
  on('MatMul', 'batched', [floats([2, 3, 5, 7]), floats([2, 3, 7, 4], -1, 1, 3)]),
  on('MatMul', 'batch broadcast on the right', [floats([2, 3, 5, 7]), floats([7, 4], -1, 1, 3)]),
  on('MatMul', 'batch broadcast on the left', [floats([5, 7]), floats([3, 7, 4], -1, 1, 3)]),
  on('MatMul', 'vector on the right', [floats([3, 5, 7]), floats([7], -1, 1, 3)]),
  on('MatMul', 'vector on the left', [floats([7]), floats([7, 4], -1, 1, 3)]),
  on('Gemm', 'bias', [floats([5, 7]), floats([7, 3], -1, 1, 3), floats([3], -1, 1, 5)]),
  on('Gemm', 'transposed A', [floats([7, 5]), floats([7, 3], -1, 1, 3)], { transA: int(1) }),
  on('Gemm', 'transposed B', [floats([5, 7]), constant(floats([3, 7], -1, 1, 3)), bias(3)], { transB: int(1) }),
  on('Gemm', 'both transposed', [floats([7, 5]), floats([3, 7], -1, 1, 3)], { transA: int(1), transB: int(1) }),
  on('Gemm', 'alpha, beta', [floats([5, 7]), floats([7, 3], -1, 1, 3), floats([5, 1], -1, 1, 5)], {
    alpha: float(0.5),
    beta: float(-2),
  }),
];

const POOLINGS: readonly (readonly [string, Readonly<Record<string, Attribute>>])[] = [
  ['2 × 2, stride 2', { kernel_shape: ints(2, 2), strides: ints(2, 2) }],
  ['3 × 3, stride 2, pads', { kernel_shape: ints(3, 3), strides: ints(2, 2), pads: ints(1, 1, 1, 1) }],
  ['3 × 3, stride 1', { kernel_shape: ints(3, 3), pads: ints(1, 1, 1, 1) }],
  ['rounded up', { kernel_shape: ints(3, 3), strides: ints(2, 2), ceil_mode: int(1) }],
  ['3 × 2, uneven pads', { kernel_shape: ints(3, 2), strides: ints(2, 1), pads: ints(1, 0, 0, 1) }],
];

const pooling: readonly OperatorCase[] = [
  ...POOLINGS.flatMap(([name, attributes]) => [
    on('MaxPool', name, [floats([2, 3, 8, 9])], attributes),
    on('AveragePool', name, [floats([2, 3, 8, 9])], attributes),
    on('AveragePool', `${name}, padding counted`, [floats([2, 3, 8, 9])], { ...attributes, count_include_pad: int(1) }),
  ]),
  on('MaxPool', 'dilation 2', [floats([2, 3, 8, 9])], { kernel_shape: ints(2, 2), dilations: ints(2, 2) }),
  on('LpPool', '2 × 2', [floats([2, 3, 8, 8])], { kernel_shape: ints(2, 2), strides: ints(2, 2) }),
  on('GlobalAveragePool', 'image', [floats([2, 3, 7, 6])]),
  on('GlobalMaxPool', 'image', [floats([2, 3, 7, 6])]),
  on('GlobalLpPool', 'image', [floats([2, 3, 7, 6])]),
];

const perChannel = (channels: number) => [floats([channels], 0.5, 1.5, 3), floats([channels], -1, 1, 5)].map(constant);

const normalizations: readonly OperatorCase[] = [
  on(
    'BatchNormalization',
    'inference',
    [floats([2, 6, 5, 5]), ...perChannel(6), constant(floats([6], -1, 1, 7)), constant(floats([6], 0.5, 2, 9))],
    { epsilon: float(1e-5) },
  ),
  on('BatchNormalization', 'fed statistics', [
    floats([2, 6, 5, 5]),
    floats([6], 0.5, 1.5, 3),
    floats([6], -1, 1, 5),
    floats([6], -1, 1, 7),
    floats([6], 0.5, 2, 9),
  ]),
  on('LayerNormalization', 'last axis', [floats([2, 5, 12]), ...perChannel(12)], {
    axis: int(-1),
    epsilon: float(1e-6),
  }),
  on('LayerNormalization', 'no bias', [floats([2, 5, 12]), constant(floats([12], 0.5, 1.5, 3))]),
  on('LayerNormalization', 'two axes', [floats([3, 4, 5]), constant(floats([4, 5], 0.5, 1.5, 3))], { axis: int(1) }),
  on('InstanceNormalization', 'image', [floats([2, 4, 6, 6]), ...perChannel(4)]),
  on('GroupNormalization', 'two groups', [floats([2, 4, 6, 6]), ...perChannel(2)], { num_groups: int(2) }),
  on('MeanVarianceNormalization', 'image', [floats([2, 4, 6, 6])]),
];

export const layerCases: readonly OperatorCase[] = [
  ...convolutions,
  ...transposed,
  on('Conv', 'signal', [floats([2, 4, 11]), constant(floats([6, 4, 3], -0.5, 0.5, 7))], { pads: ints(1, 1) }),
  on('Conv', 'volume', [floats([1, 2, 5, 5, 5]), constant(floats([3, 2, 3, 3, 3], -0.5, 0.5, 7))], {
    strides: ints(2, 1, 1),
  }),
  on('ConvTranspose', 'signal', [floats([2, 4, 7]), constant(floats([4, 3, 3], -0.5, 0.5, 7))], { strides: ints(2) }),
  ...products,
  ...pooling,
  ...normalizations,
];
