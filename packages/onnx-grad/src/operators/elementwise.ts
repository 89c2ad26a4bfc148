import type { Operator } from './operator.ts';

export const elementwise: Record<string, Operator> = {};
