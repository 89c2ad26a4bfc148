/** @file Gradients of operators that pass values on in the same or another type. */
import { isFloat } from '../graph.ts';
import type { Rule } from './rule.ts';

/** Between floats the gradient passes; a cast to or from an integer cuts it. */
const cast: Rule = ({ g, dy, inputs: [x], outputs: [y] }) =>
  isFloat(x!.dtype) && isFloat(y!.dtype) ? [() => g.cast(dy, x!.dtype)] : [];

export const conversion: Record<string, Rule> = {
  Identity: ({ dy }) => [() => dy],
  Dropout: ({ dy }) => [() => dy],
  Cast: cast,
  CastLike: cast,
};
