import type { Value } from 'onnx-grad';
import { type LossContext, withoutTarget } from './context.ts';

/**
 * How far the class activation maps move between x and x' (Boopathy et al. 2020): the l1 distance between the maps of
 * the true class, and the mean of that of every other class, weighted by softmax probabilities q at x'. The gradient
 * flows through q.
 */
export interface Discrepancy {
  readonly name: 'discrepancy';
  readonly classes: 'all' | 'true';
  /**
   * `'code'`: sums over positions, q renormalised over the other classes, no halves; λ = 0.01 belongs to it. `'paper'`:
   * maps with the factor 1 / positions, q over all classes, both halves of the two-class distance (its D̃).
   */
  readonly form: 'code' | 'paper';
}

export function writeDiscrepancy({ g, passes, target }: LossContext, { classes, form }: Discrepancy): Value {
  const { clean, adversarial } = passes;
  const moved = g.abs(g.sub(clean.maps, adversarial.maps));
  const positions = moved.shape[2]! * moved.shape[3]!;
  const sum = g.reduceSum(moved, [2, 3]);
  const distances = form === 'paper' ? g.scale(sum, 1 / positions) : sum;
  const own = g.reduceSum(g.mul(distances, target), [1]);
  if (classes === 'true') return own;
  const others = withoutTarget(g, adversarial.logits, target);
  const powers = (logits: Value) => g.exp(g.sub(logits, g.reduceMax(adversarial.logits, [1], true)));
  const rival = g.reduceMax(others, [1], true);
  const renormalised = g.exp(g.sub(others, rival));
  const q =
    form === 'paper'
      ? g.div(powers(others), g.reduceSum(powers(adversarial.logits), [1], true))
      : g.div(renormalised, g.reduceSum(renormalised, [1], true));
  const total = g.add(own, g.reduceSum(g.mul(q, distances), [1]));
  return form === 'paper' ? g.scale(total, 0.5) : total;
}
