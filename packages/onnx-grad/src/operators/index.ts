/** @file The operators of the canonical set, assembled from the families. */
import { assemble } from '../assemble.ts';
import { convolution } from './convolution.ts';
import { creation } from './creation.ts';
import { elementwise } from './elementwise.ts';
import { indexing } from './indexing.ts';
import { linear } from './linear.ts';
import { movement } from './movement.ts';
import { normalization } from './normalization.ts';
import type { Operator } from './operator.ts';
import { padding } from './padding.ts';
import { pooling } from './pooling.ts';
import { reduction } from './reduction.ts';

export const operators: Readonly<Record<string, Operator>> = assemble(
  [elementwise, reduction, movement, indexing, padding, creation, linear, convolution, pooling, normalization],
  'definition',
);
