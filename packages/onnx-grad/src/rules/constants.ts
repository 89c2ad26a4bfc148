import { toNumeric } from '../evaluate/array.ts';
import type { Value } from '../value.ts';

/** The numbers of a constant value, which shape inference has made sure is one. */
export const constantNumbers = (value: Value): number[] => Array.from(toNumeric(value.constant!).data);
