import type { Operator } from './operator.ts';

export const reduction: Record<string, Operator> = {};
