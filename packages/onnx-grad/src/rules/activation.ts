/**
 * @file Gradients of activation functions. Where the output tells the branch as well as the input does, the rule reads
 * the output: an engine can then still fuse the activation into the convolution before it.
 */
import { gate, STEP_SLOPE, step, unary } from './pointwise.ts';
import type { Rule } from './rule.ts';

export const activation: Record<string, Rule> = {
  /** 0 at x = 0, as in PyTorch. */
  Relu: unary(({ g, dy, y }) => g.mul(dy, step(g, y))),
  Sigmoid: unary(({ g, dy, y }) => g.mul(dy, g.mul(y, g.sub(g.constant(1, [], y), y)))),
  Tanh: unary(({ g, dy, y }) => g.sub(dy, g.mul(dy, g.square(y)))),
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
  /** y = x·h with h = HardSigmoid x, whose slope is 1/6 for |x| < 3. */
  HardSwish: unary(({ g, dy, x }) => {
    const h = g.op('HardSigmoid', [x], { alpha: 1 / 6, beta: 0.5 });
    const inside = g.less(g.abs(x), g.constant(3, [], x));
    return g.mul(dy, g.add(h, gate(g, g.scale(x, 1 / 6), inside)));
  }),
  /** The step that masks are made with has no gradient. */
  HardSigmoid: ({ g, dy, outputs: [y], attributes: { alpha } }) => {
    if (alpha >= STEP_SLOPE) return [];
    const inside = g.and(g.greater(y!, g.constant(0, [], y!)), g.less(y!, g.constant(1, [], y!)));
    return [() => gate(g, g.scale(dy, alpha), inside)];
  },
  LeakyRelu: unary(({ g, dy, x, y, attributes: { alpha } }) => {
    const positive = g.greater(alpha >= 0 ? y : x, g.constant(0, [], x));
    if (alpha < 0 || alpha > 1) return g.where(positive, dy, g.scale(dy, alpha));
    return g.mul(dy, g.max(g.cast(positive, x.dtype), g.constant(alpha, [], x)));
  }),
  /** The slope of the negative side is α·exp x = y + α. With α = 1 it meets the 1 of the positive side. */
  Elu: unary(({ g, dy, x, y, attributes: { alpha } }) => {
    const negative = g.mul(dy, g.offset(g.min(y, g.constant(0, [], y)), alpha));
    return alpha === 1 ? negative : g.where(g.greater(x, g.constant(0, [], x)), dy, negative);
  }),
  Celu: unary(({ g, dy, y, attributes: { alpha } }) =>
    g.mul(dy, g.offset(g.scale(g.min(y, g.constant(0, [], y)), 1 / alpha), 1)),
  ),
  Selu: unary(({ g, dy, x, y, attributes: { alpha, gamma } }) =>
    g.where(g.greater(x, g.constant(0, [], x)), g.scale(dy, gamma), g.mul(dy, g.offset(y, gamma * alpha))),
  ),
  ThresholdedRelu: unary(({ g, dy, x, attributes }) => gate(g, dy, g.greater(x, g.constant(attributes.alpha, [], x)))),
  Shrink: unary(({ g, dy, x, attributes }) => gate(g, dy, g.greater(g.abs(x), g.constant(attributes.lambd, [], x)))),
  PRelu: ({ g, dy, inputs: [x, slope] }) => [
    () => g.where(g.greater(x!, g.constant(0, [], x!)), dy, g.mul(dy, slope!)),
    () => g.sumTo(g.mul(dy, g.min(x!, g.constant(0, [], x!))), slope!.shape),
  ],
  /** 1 between and at the bounds, as PyTorch's `clamp`: there x = y. */
  Clip: ({ g, dy, inputs: [x, min, max], outputs: [y] }) => [
    () => gate(g, dy, g.equal(x!, y!)),
    () => g.reshape(g.reduceSum(gate(g, dy, g.less(x!, min!)), axesOf(dy)), min!.shape),
    () => g.reshape(g.reduceSum(gate(g, dy, g.greater(x!, max!)), axesOf(dy)), max!.shape),
  ],
};

const axesOf = ({ shape }: { readonly shape: readonly number[] }): number[] => shape.map((_, axis) => axis);
