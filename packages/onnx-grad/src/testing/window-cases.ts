/** @file Convolutions and pooling windows that the tests of values, of gradients and of compiled gradients share. */
import type { AttributeInput } from '../builder.ts';

interface ConvolutionCase {
  x: number[];
  weight: number[];
  bias?: number;
  attributes?: Record<string, AttributeInput>;
}

export const inputShapes = ({ x, weight, bias }: ConvolutionCase): number[][] =>
  bias === undefined ? [x, weight] : [x, weight, [bias]];

export const convolutionCases: Record<string, ConvolutionCase> = {
  '3x3': { x: [2, 2, 4, 3], weight: [3, 2, 3, 3], bias: 3, attributes: { pads: [1, 1, 1, 1] } },
  'without padding': { x: [1, 1, 4, 4], weight: [2, 1, 3, 2] },
  'padding wider than the kernel': { x: [1, 1, 2, 3], weight: [1, 1, 2, 2], attributes: { pads: [3, 2, 2, 0] } },
  'asymmetric padding, even kernel': { x: [1, 2, 3, 4], weight: [2, 2, 2, 4], attributes: { pads: [1, 0, 0, 2] } },
  'many channels': {
    x: [2, 16, 3, 3],
    weight: [2, 16, 2, 3],
    attributes: { strides: [1, 2], pads: [0, 1, 1, 1] },
  },
  'many channels, stride 1': {
    x: [1, 16, 3, 4],
    weight: [2, 16, 3, 2],
    attributes: { pads: [0, 1, 1, 0], dilations: [1, 2] },
  },
  'many channels, one axis, wide padding': { x: [2, 16, 2], weight: [1, 16, 2], attributes: { pads: [3, 2] } },
  patches: { x: [2, 2, 5, 6], weight: [3, 2, 2, 3], attributes: { strides: [2, 3] } },
  'stride beyond the image, in groups': {
    x: [1, 2, 3, 3],
    weight: [2, 1, 2, 2],
    attributes: { group: 2, strides: [1000000, 1000000] },
  },
  '1x1': { x: [2, 3, 2, 2], weight: [2, 3, 1, 1] },
  '1x1, stride 2': { x: [2, 2, 5, 4], weight: [2, 2, 1, 1], attributes: { strides: [2, 2] } },
  '3x3, stride 2': { x: [1, 2, 5, 6], weight: [2, 2, 3, 3], attributes: { strides: [2, 2], pads: [1, 1, 1, 1] } },
  '4x4, stride 2': { x: [1, 1, 6, 6], weight: [2, 1, 4, 4], attributes: { strides: [2, 2], pads: [1, 1, 1, 1] } },
  '7x7, stride 2': { x: [1, 1, 8, 7], weight: [1, 1, 7, 7], attributes: { strides: [2, 2], pads: [3, 3, 3, 3] } },
  '2x2, stride 2, remainder': { x: [1, 2, 5, 5], weight: [1, 2, 2, 2], attributes: { strides: [2, 2] } },
  'stride beyond the kernel': {
    x: [1, 2, 8, 7],
    weight: [2, 2, 2, 1],
    attributes: { strides: [3, 4], pads: [1, 0, 0, 0] },
  },
  'unequal strides': { x: [1, 2, 5, 7], weight: [2, 2, 2, 3], attributes: { strides: [1, 3], pads: [0, 1, 1, 2] } },
  dilated: { x: [1, 2, 6, 5], weight: [2, 2, 3, 2], attributes: { dilations: [2, 3], pads: [2, 1, 1, 2] } },
  'dilated, stride 2': {
    x: [1, 1, 8, 7],
    weight: [2, 1, 3, 3],
    attributes: { dilations: [3, 2], strides: [2, 2], pads: [2, 2, 2, 2] },
  },
  'dilation 2, stride 4': {
    x: [1, 1, 11],
    weight: [2, 1, 3],
    attributes: { dilations: [2], strides: [4], pads: [1, 0] },
  },
  'phases with a gap': { x: [1, 1, 9], weight: [1, 1, 2], attributes: { dilations: [2], strides: [3] } },
  groups: { x: [1, 4, 4, 3], weight: [6, 2, 3, 3], bias: 6, attributes: { group: 2, pads: [1, 1, 1, 1] } },
  'groups, stride 2': {
    x: [2, 4, 5, 4],
    weight: [2, 2, 3, 2],
    attributes: { group: 2, strides: [2, 2], pads: [1, 0, 1, 1] },
  },
  depthwise: { x: [2, 3, 4, 4], weight: [3, 1, 3, 3], attributes: { group: 3, pads: [1, 1, 1, 1] } },
  'depthwise, stride 2': {
    x: [1, 3, 5, 4],
    weight: [3, 1, 3, 3],
    attributes: { group: 3, strides: [2, 2], pads: [1, 1, 1, 1] },
  },
  'depthwise, two filters a channel': { x: [1, 2, 3, 3], weight: [4, 1, 2, 2], attributes: { group: 2 } },
  SAME_UPPER: { x: [1, 1, 5, 4], weight: [2, 1, 3, 2], attributes: { auto_pad: 'SAME_UPPER', strides: [2, 1] } },
  SAME_LOWER: { x: [1, 1, 5, 4], weight: [2, 1, 2, 4], attributes: { auto_pad: 'SAME_LOWER' } },
  VALID: { x: [1, 1, 4, 4], weight: [1, 1, 3, 2], attributes: { auto_pad: 'VALID', strides: [2, 2] } },
  'one axis': { x: [2, 2, 7], weight: [3, 2, 3], bias: 3, attributes: { strides: [2], pads: [1, 0] } },
  'three axes': {
    x: [1, 2, 3, 4, 3],
    weight: [2, 2, 2, 3, 2],
    attributes: { strides: [1, 2, 2], pads: [0, 1, 0, 1, 1, 1] },
  },
};

export const transposeCases: Record<string, ConvolutionCase> = {
  'stride 1': { x: [2, 2, 3, 3], weight: [2, 3, 3, 3], bias: 3, attributes: { pads: [1, 1, 1, 1] } },
  'stride 2': { x: [1, 2, 3, 2], weight: [2, 1, 4, 4], attributes: { strides: [2, 2], pads: [1, 1, 1, 1] } },
  'output padding': {
    x: [1, 2, 2, 3],
    weight: [2, 2, 3, 3],
    attributes: { strides: [2, 3], pads: [1, 1, 1, 1], output_padding: [1, 2] },
  },
  'output shape': { x: [1, 1, 3, 3], weight: [1, 2, 3, 3], attributes: { strides: [2, 2], output_shape: [6, 5] } },
  groups: { x: [1, 4, 2, 3], weight: [4, 2, 2, 3], bias: 4, attributes: { group: 2, strides: [2, 1] } },
  dilated: { x: [1, 1, 3, 3], weight: [1, 2, 2, 3], attributes: { dilations: [2, 1], strides: [1, 2] } },
  'one axis': { x: [1, 2, 4], weight: [2, 2, 3], attributes: { strides: [2], pads: [0, 1] } },
  'three axes': { x: [1, 1, 2, 2, 2], weight: [1, 2, 2, 2, 3], attributes: { strides: [2, 1, 2] } },
};

type PoolingCase = [name: string, x: number[], attributes: Record<string, AttributeInput>];

export const poolingCases: PoolingCase[] = [
  ['2x2', [2, 2, 4, 6], { kernel_shape: [2, 2], strides: [2, 2] }],
  ['2x2 with a remainder', [1, 2, 5, 5], { kernel_shape: [2, 2], strides: [2, 2] }],
  ['3x2 at their own strides', [1, 2, 7, 4], { kernel_shape: [3, 2], strides: [3, 2] }],
  ['overlapping', [1, 2, 5, 4], { kernel_shape: [3, 3] }],
  ['3x3, stride 2', [1, 2, 6, 7], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }],
  ['3x3, stride 1, padded', [1, 2, 4, 3], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }],
  ['5x4, stride 1, padded', [1, 1, 6, 5], { kernel_shape: [5, 4], pads: [2, 1, 2, 2] }],
  ['three dense axes', [1, 1, 3, 4, 3], { kernel_shape: [2, 3, 2], pads: [0, 1, 1, 1, 1, 0] }],
  ['asymmetric padding', [1, 1, 4, 5], { kernel_shape: [2, 3], strides: [1, 2], pads: [1, 0, 0, 2] }],
  ['rounding up', [1, 2, 6, 8], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }],
  ['rounding up, padded', [1, 1, 5, 6], { kernel_shape: [3, 2], strides: [2, 3], pads: [1, 1, 1, 1], ceil_mode: 1 }],
  ['stride beyond the kernel', [1, 1, 7, 8], { kernel_shape: [2, 1], strides: [3, 3] }],
  ['SAME_UPPER', [1, 1, 5, 4], { kernel_shape: [2, 3], strides: [2, 2], auto_pad: 'SAME_UPPER' }],
  ['SAME_LOWER', [1, 1, 5, 4], { kernel_shape: [2, 2], auto_pad: 'SAME_LOWER' }],
  ['one window', [2, 2, 3, 4], { kernel_shape: [3, 4] }],
  ['stride beyond the image', [1, 1, 4, 5], { kernel_shape: [3, 2], strides: [1000000, 1000000] }],
  ['one axis', [2, 2, 7], { kernel_shape: [3], strides: [2], pads: [1, 1] }],
  ['three axes', [1, 1, 4, 3, 4], { kernel_shape: [2, 2, 2], strides: [2, 1, 2] }],
];

export const dilatedPoolingCases: PoolingCase[] = [
  ['dilated', [1, 2, 6, 5], { kernel_shape: [3, 2], dilations: [2, 3] }],
  ['dilated, stride 3', [1, 1, 8], { kernel_shape: [2], dilations: [2], strides: [3], pads: [1, 1] }],
];
