/**
 * @file Gradients of activation functions. Where the output tells the branch as well as the input does, the rule reads
 * the output: an engine can then still fuse the activation into the convolution before it.
 */
import { unary } from './pointwise.ts';
import type { Rule } from './rule.ts';

export const activation: Record<string, Rule> = {
  /** 0 at x = 0, as in PyTorch. */
  Relu: unary(({ g, dy, y }) => g.mask(g.greater(y, g.constant(0, [], y)), dy)),
  Sigmoid: unary(({ g, dy, y }) => g.mul(dy, g.mul(y, g.sub(g.constant(1, [], y), y)))),
  Tanh: unary(({ g, dy, y }) => g.mul(dy, g.sub(g.constant(1, [], y), g.square(y)))),
  Softplus: unary(({ g, dy, x }) => g.mul(dy, g.sigmoid(x))),
  Softsign: unary(({ g, dy, x }) => g.div(dy, g.square(g.offset(g.abs(x), 1)))),
  /**
   * With t = tanh(softplus x), f′ = t + x·(1 − t²)·sigmoid x. Written with e = exp x, t = e(e+2) / (e(e+2) + 2), which
   * is 1 to double precision from x = 20 on, so e is capped there.
   */
  Mish: unary(({ g, dy, x }) => {
    const e = g.exp(g.min(x, g.constant(20, [], x)));
    const w = g.mul(e, g.offset(e, 2));
    const t = g.div(w, g.offset(w, 2));
    const slope = g.mul(g.sub(g.constant(1, [], x), g.square(t)), g.sigmoid(x));
    return g.mul(dy, g.add(t, g.mul(x, slope)));
  }),
  HardSwish: unary(({ g, dy, x }) => {
    const middle = g.mul(dy, g.offset(g.scale(x, 1 / 3), 0.5));
    const below = g.mask(g.greater(x, g.constant(-3, [], x)), middle);
    return g.where(g.less(x, g.constant(3, [], x)), below, dy);
  }),
  HardSigmoid: unary(({ g, dy, y, attributes }) => {
    const inside = g.and(g.greater(y, g.constant(0, [], y)), g.less(y, g.constant(1, [], y)));
    return g.mask(inside, g.scale(dy, attributes.alpha));
  }),
  LeakyRelu: unary(({ g, dy, x, y, attributes: { alpha } }) => {
    const branch = alpha >= 0 ? y : x;
    return g.where(g.greater(branch, g.constant(0, [], x)), dy, g.scale(dy, alpha));
  }),
  /** On the negative side α·exp x = y + α. */
  Elu: unary(({ g, dy, x, y, attributes: { alpha } }) =>
    g.where(g.greater(x, g.constant(0, [], x)), dy, g.mul(dy, g.offset(y, alpha))),
  ),
  Celu: unary(({ g, dy, x, y, attributes: { alpha } }) =>
    g.where(g.greater(x, g.constant(0, [], x)), dy, g.mul(dy, g.offset(g.scale(y, 1 / alpha), 1))),
  ),
  Selu: unary(({ g, dy, x, y, attributes: { alpha, gamma } }) =>
    g.where(g.greater(x, g.constant(0, [], x)), g.scale(dy, gamma), g.mul(dy, g.offset(y, gamma * alpha))),
  ),
  ThresholdedRelu: unary(({ g, dy, x, attributes }) => g.mask(g.greater(x, g.constant(attributes.alpha, [], x)), dy)),
  Shrink: unary(({ g, dy, x, attributes }) => g.mask(g.greater(g.abs(x), g.constant(attributes.lambd, [], x)), dy)),
  PRelu: ({ g, dy, inputs: [x, slope] }) => [
    () => g.where(g.greater(x!, g.constant(0, [], x!)), dy, g.mul(dy, slope!)),
    () => g.sumTo(g.mask(g.less(x!, g.constant(0, [], x!)), g.mul(dy, x!)), slope!.shape),
  ],
  /** 1 between and at the bounds, as PyTorch's `clamp`: there x = y. */
  Clip: ({ g, dy, inputs: [x, min, max], outputs: [y] }) => [
    () => g.mask(g.equal(x!, y!), dy),
    () => g.reshape(g.reduceSum(g.mask(g.less(x!, min!), dy), axesOf(dy)), min!.shape),
    () => g.reshape(g.reduceSum(g.mask(g.greater(x!, max!), dy), axesOf(dy)), max!.shape),
  ],
};

const axesOf = ({ shape }: { readonly shape: readonly number[] }): number[] => shape.map((_, axis) => axis);
