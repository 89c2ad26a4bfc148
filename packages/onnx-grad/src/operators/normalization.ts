import type { Operator } from './operator.ts';

export const normalization: Record<string, Operator> = {};
