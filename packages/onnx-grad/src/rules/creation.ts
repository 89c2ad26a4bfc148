/** @file Operators that make tensors; few of them pass a gradient on. */
import type { Value } from '../value.ts';
import { type Rule, zeroGradient } from './rule.ts';

const trilu: Rule = ({ g, dy, inputs, attributes, has }) => [
  () => g.op('Trilu', has(1) ? [dy, inputs[1]!] : [dy], { upper: attributes.upper }),
];

/** Every element is one of the two `values`, off and on; each collects the cotangents of its elements. */
const oneHot: Rule = ({ g, dy, inputs, attributes }) => [
  undefined,
  undefined,
  () => {
    const [indices, depth] = inputs as [Value, Value];
    const everywhere = dy.shape.map((_, axis) => axis);
    const collected = [
      [1, 0],
      [0, 1],
    ].map((values) => {
      const mask = g.op('OneHot', [indices, depth, g.constant(values, [2], dy)], { axis: attributes.axis });
      return g.reshape(g.reduceSum(g.mul(dy, mask), everywhere), [1]);
    });
    return g.concat(collected, 0);
  },
];

export const creation: Record<string, Rule> = {
  Shape: zeroGradient,
  Size: zeroGradient,
  Constant: zeroGradient,
  ConstantOfShape: zeroGradient,
  Range: zeroGradient,
  NonZero: zeroGradient,
  EyeLike: zeroGradient,
  OneHot: oneHot,
  Trilu: trilu,
};
