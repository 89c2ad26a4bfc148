import type { GraphBuilder } from '../builder.ts';
import type { AttributeValues } from '../operators/operator.ts';
import type { Value } from '../value.ts';
import type { Rule } from './rule.ts';

interface UnaryContext {
  readonly g: GraphBuilder;
  readonly dy: Value;
  readonly x: Value;
  readonly y: Value;
  readonly attributes: AttributeValues;
}

/** The rule of y = f(x), element by element: `f` writes dy · f′(x) from x or y, whichever is cheaper. */
export const unary =
  (f: (context: UnaryContext) => Value): Rule =>
  ({ g, dy, inputs, outputs, attributes }) => [() => f({ g, dy, x: inputs[0]!, y: outputs[0]!, attributes })];
