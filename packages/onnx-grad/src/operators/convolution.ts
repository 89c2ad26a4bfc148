import type { Operator } from './operator.ts';

export const convolution: Record<string, Operator> = {};
