/** @file Comparisons and logic carry no gradient; the choice between two arrays passes it on. */
import { type Rule, zeroGradient } from './rule.ts';

export const comparison: Record<string, Rule> = {
  Equal: zeroGradient,
  Greater: zeroGradient,
  GreaterOrEqual: zeroGradient,
  Less: zeroGradient,
  LessOrEqual: zeroGradient,
  And: zeroGradient,
  Or: zeroGradient,
  Xor: zeroGradient,
  Not: zeroGradient,
  IsNaN: zeroGradient,
  IsInf: zeroGradient,
  Where: ({ g, dy, inputs: [condition, a, b] }) => [
    undefined,
    () => g.sumTo(g.mask(condition!, dy), a!.shape),
    () => g.sumTo(g.where(condition!, g.constant(0, [], dy), dy), b!.shape),
  ],
};
