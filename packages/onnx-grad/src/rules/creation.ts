/** @file Operators whose result does not depend on the values of their inputs. */
import { type Rule, zeroGradient } from './rule.ts';

export const creation: Record<string, Rule> = { Shape: zeroGradient, Size: zeroGradient, Constant: zeroGradient };
