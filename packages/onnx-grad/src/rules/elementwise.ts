import type { Rule } from './rule.ts';

export const elementwise: Record<string, Rule> = {};
