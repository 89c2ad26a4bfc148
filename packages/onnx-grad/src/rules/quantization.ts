/** @file Straight-through gradients of linear quantisation. */
import type { GraphBuilder } from '../builder.ts';
import { QUANTIZED_RANGES, quantizationShape } from '../operators/quantization.ts';
import type { Value } from '../value.ts';
import { once } from './once.ts';
import type { Rule } from './rule.ts';

/** A per-axis vector in the shape in which it broadcasts to x, as floats of the type of `like`. */
function perAxis(g: GraphBuilder, vector: Value, x: Value, axis: number, like: Value): Value {
  return g.cast(g.reshape(vector, quantizationShape(vector.shape, x.shape.length, axis)), like.dtype);
}

export const quantization: Record<string, Rule> = {
  /**
   * Straight-through estimator (Bengio et al. 2013): rounding counts as the identity, saturated values get nothing.
   * The cotangent of the integers in between is a float.
   */
  QuantizeLinear: ({ g, dy, inputs: [x, s, z], outputs: [q], attributes }) => {
    const scale = perAxis(g, s!, x!, attributes.axis, x!);
    const zero = z === undefined ? g.constant(0, [], x!) : perAxis(g, z, x!, attributes.axis, x!);
    const [low, high] = QUANTIZED_RANGES[q!.dtype]!;
    const bound = (limit: number) => g.mul(g.sub(g.constant(limit, [], x!), zero), scale);
    const inside = () => g.and(g.greaterOrEqual(x!, bound(low - 0.5)), g.lessOrEqual(x!, bound(high + 0.5)));
    const dx = once(() => g.div(g.mask(inside(), g.cast(dy, x!.dtype)), scale));
    return [dx, () => g.reshape(g.neg(g.sumTo(g.mul(dx(), g.div(x!, scale)), scale.shape)), s!.shape)];
  },
  DequantizeLinear: ({ g, dy, inputs: [q, s, z], attributes }) => {
    const scale = perAxis(g, s!, q!, attributes.axis, dy);
    const centred = () => {
      const zero = z === undefined ? g.constant(0, [], dy) : perAxis(g, z, q!, attributes.axis, dy);
      return g.sub(g.cast(q!, dy.dtype), zero);
    };
    return [() => g.mul(dy, scale), () => g.reshape(g.sumTo(g.mul(dy, centred()), scale.shape), s!.shape)];
  },
};
