import type { GraphBuilder, Value } from 'onnx-grad';
import { objectives } from '../../objectives/objectives.ts';
import { type At, type LossContext, withoutTarget } from './context.ts';

/** −log p_y − log(1 − max of the other p): cross-entropy that also pushes the runner-up down. Wang et al. 2020, eq. 6. */
export interface BoostedCrossEntropy {
  readonly name: 'boosted-cross-entropy';
  readonly at: At;
}

export function writeBoostedCrossEntropy(
  { g, passes, target, softTarget }: LossContext,
  { at }: BoostedCrossEntropy,
): Value {
  const { logits } = passes[at];
  const others = withoutTarget(g, logits, target);
  const rivals = g.cast(g.greaterOrEqual(others, g.reduceMax(others, [1], true)), 'float32');
  // One of the largest is left out; of several equal ones, a share of each. What is summed stays positive: the published
  // code, which takes p from 1, needs a guard of 1e-4 instead.
  const kept = g.sub(g.constant(1), g.div(rivals, g.reduceSum(rivals, [1], true)));
  const left = g.where(g.greater(kept, g.constant(0)), logits, g.constant(-1e30));
  const rest = g.sub(logSumExp(g, left, kept), logSumExp(g, logits));
  return g.sub(objectives['cross-entropy'].build(g, logits, softTarget), rest);
}

/** log Σ weight · exp(logit) of each image, [N]. */
function logSumExp(g: GraphBuilder, logits: Value, weights?: Value): Value {
  const top = g.reduceMax(logits, [1], true);
  const powers = g.exp(g.sub(logits, top));
  return g.add(g.log(g.reduceSum(weights ? g.mul(powers, weights) : powers, [1])), g.reshape(top, [top.shape[0]!]));
}
