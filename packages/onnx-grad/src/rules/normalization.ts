import type { Rule } from './rule.ts';

export const normalization: Record<string, Rule> = {};
