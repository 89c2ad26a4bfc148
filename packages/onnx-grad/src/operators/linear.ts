import type { Operator } from './operator.ts';

export const linear: Record<string, Operator> = {};
