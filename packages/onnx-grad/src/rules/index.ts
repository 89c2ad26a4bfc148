/** @file The gradient rules, assembled from the families. */
import { assemble } from '../assemble.ts';
import { activation } from './activation.ts';
import { alongAxis } from './along-axis.ts';
import { blocks } from './blocks.ts';
import { comparison } from './comparison.ts';
import { conversion } from './conversion.ts';
import { convolution } from './convolution.ts';
import { creation } from './creation.ts';
import { elementwise } from './elementwise.ts';
import { indexing } from './indexing.ts';
import { linear } from './linear.ts';
import { movement } from './movement.ts';
import { normalization } from './normalization.ts';
import { padding } from './padding.ts';
import { pooling } from './pooling.ts';
import { quantization } from './quantization.ts';
import { random } from './random.ts';
import { reduction } from './reduction.ts';
import { resizing } from './resize.ts';
import type { Rule } from './rule.ts';
import { scattering } from './scattering.ts';

export const rules: Readonly<Record<string, Rule>> = assemble(
  [
    elementwise,
    activation,
    comparison,
    conversion,
    quantization,
    reduction,
    alongAxis,
    movement,
    indexing,
    scattering,
    padding,
    blocks,
    resizing,
    creation,
    random,
    linear,
    convolution,
    pooling,
    normalization,
  ],
  'gradient rule',
);
