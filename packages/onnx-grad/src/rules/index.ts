/** @file The gradient rules, assembled from the families. */
import { assemble } from '../assemble.ts';
import { elementwise } from './elementwise.ts';
import { movement } from './movement.ts';
import { normalization } from './normalization.ts';
import type { Rule } from './rule.ts';
import { convolution } from './convolution.ts';
import { linear } from './linear.ts';
import { pooling } from './pooling.ts';
import { reduction } from './reduction.ts';

export const rules: Readonly<Record<string, Rule>> = assemble([
  elementwise,
  reduction,
  movement,
  linear,
  convolution,
  pooling,
  normalization,
], 'gradient rule');
