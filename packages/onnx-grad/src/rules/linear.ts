import type { Rule } from './rule.ts';

export const linear: Record<string, Rule> = {};
