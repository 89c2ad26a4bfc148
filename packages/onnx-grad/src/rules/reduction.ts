import type { Rule } from './rule.ts';

export const reduction: Record<string, Rule> = {};
