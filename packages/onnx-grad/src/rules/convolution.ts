import type { Rule } from './rule.ts';

export const convolution: Record<string, Rule> = {};
