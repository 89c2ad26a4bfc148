import type { Rule } from './rule.ts';

export const pooling: Record<string, Rule> = {};
