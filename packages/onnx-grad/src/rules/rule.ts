import type { GraphBuilder } from '../builder.ts';
import type { Node } from '../graph.ts';
import type { AttributeValues } from '../operators/operator.ts';
import type { Value } from '../value.ts';

/** What a rule sees of the node it differentiates. */
export interface RuleContext {
  readonly g: GraphBuilder;
  readonly node: Node;
  readonly attributes: AttributeValues;
  /** The node's inputs; reading an absent optional one is the rule's mistake, so check `has(i)` first. */
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** Whether input `i` is present. */
  has(i: number): boolean;
  /** Cotangent of output 0 (zeros when only other outputs are used). */
  readonly dy: Value;
  /** Cotangent of every output; undefined where nothing depends on it. */
  readonly dys: readonly (Value | undefined)[];
}

/**
 * The vector–Jacobian product of an operator: for each input, a function that writes its gradient, or undefined where
 * the gradient is zero. Functions are called only for the gradients that were asked for.
 */
export type Rule = (context: RuleContext) => readonly ((() => Value) | undefined)[];

/** Piecewise constant operators: the gradient is zero everywhere it exists. */
export const zeroGradient: Rule = () => [];
