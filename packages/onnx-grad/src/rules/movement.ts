import type { Rule } from './rule.ts';

export const movement: Record<string, Rule> = {};
