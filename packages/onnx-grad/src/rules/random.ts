/** @file Noise does not depend on what is differentiated; the rest of the graph does, and its gradient is that of one draw. */
import { type Rule, zeroGradient } from './rule.ts';

export const random: Record<string, Rule> = {
  RandomNormal: zeroGradient,
  RandomUniform: zeroGradient,
  StopGradient: zeroGradient,
};
