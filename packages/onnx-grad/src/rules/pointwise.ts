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

/**
 * dy where `condition` holds, 0 elsewhere. As a product with a mask, which ONNX Runtime's CPU provider runs in 0.6 of
 * the time of Where. An infinite dy becomes NaN where the mask is 0; rules that can meet one use `g.mask`.
 */
export const gate = (g: GraphBuilder, dy: Value, condition: Value): Value => g.mul(dy, g.cast(condition, dy.dtype));
