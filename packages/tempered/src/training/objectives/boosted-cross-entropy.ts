import type { Value } from 'onnx-grad';
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
  const powers = g.exp(g.sub(logits, g.reduceMax(logits, [1], true)));
  const rest = g.sub(g.log(g.reduceSum(g.mul(powers, kept), [1])), g.log(g.reduceSum(powers, [1])));
  return g.sub(objectives['cross-entropy'].build(g, logits, softTarget), rest);
}
