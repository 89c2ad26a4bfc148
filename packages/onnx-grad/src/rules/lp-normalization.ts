import type { LpNormalizationAttributes } from '../operators/lp-normalization.ts';
import { normalizeAxis } from '../operators/operator.ts';
import type { Rule } from './rule.ts';

/** y = x/‖x‖:  dx = (dy − y′·Σ dy·y)/‖x‖ with y′ = y (order 2) or sign x (order 1); zero where x is zero throughout. */
export const LpNormalization: Rule = ({ g, inputs, outputs, attributes, dy }) => {
  const x = inputs[0]!;
  const y = outputs[0]!;
  const { axis, p } = attributes as LpNormalizationAttributes;
  const along = [normalizeAxis(axis, x.shape.length, 'LpNormalization')];
  return [
    () => {
      const power = g.reduceSum(p === 2 ? g.square(x) : g.abs(x), along, true);
      const isZero = g.lessOrEqual(power, g.constant(0, [], x));
      // The root is taken of 1 where the norm is 0: its slope there would turn the second derivative into NaN.
      const safe = g.where(isZero, g.constant(1, [], x), power);
      const direction = p === 2 ? y : g.sign(x);
      const projection = g.reduceSum(g.mul(dy, y), along, true);
      const gradient = g.div(g.sub(dy, g.mul(direction, projection)), p === 2 ? g.sqrt(safe) : safe);
      return g.where(isZero, g.constant(0, [], x), gradient);
    },
  ];
};
