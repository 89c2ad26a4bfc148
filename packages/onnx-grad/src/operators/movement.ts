import type { Operator } from './operator.ts';

export const movement: Record<string, Operator> = {};
