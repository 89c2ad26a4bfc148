import type { Operator } from './operator.ts';

export const pooling: Record<string, Operator> = {};
