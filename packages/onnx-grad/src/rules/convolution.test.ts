import { describe, it } from 'vitest';
import type { AttributeInput } from '../builder.ts';
import { checkRule } from '../testing/check-rule.ts';

interface Case {
  x: number[];
  weight: number[];
  bias?: number;
  attributes?: Record<string, AttributeInput>;
}

const convolutions: Record<string, Case> = {
  '3x3': { x: [2, 2, 4, 3], weight: [3, 2, 3, 3], bias: 3, attributes: { pads: [1, 1, 1, 1] } },
  'without padding': { x: [1, 1, 4, 4], weight: [2, 1, 3, 2] },
  'padding wider than the kernel': { x: [1, 1, 2, 3], weight: [1, 1, 2, 2], attributes: { pads: [3, 2, 2, 0] } },
  'asymmetric padding, even kernel': { x: [1, 2, 3, 4], weight: [2, 2, 2, 4], attributes: { pads: [1, 0, 0, 2] } },
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

const transposes: Record<string, Case> = {
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

const inputs = ({ x, weight, bias }: Case, constantWeight = false) => [
  { shape: x },
  { shape: weight, constant: constantWeight },
  ...(bias === undefined ? [] : [{ shape: [bias] }]),
];

describe.each([
  ['Conv', convolutions],
  ['ConvTranspose', transposes],
])('the gradient of %s', (op, cases) => {
  it.each(Object.entries(cases))('%s', (_, test) => {
    checkRule({ op, inputs: inputs(test), attributes: test.attributes });
    checkRule({ op, inputs: inputs(test, true), attributes: test.attributes });
  });
});
