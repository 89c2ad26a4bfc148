import type { Value } from 'onnx-grad';
import type { At, LossContext } from './context.ts';
import { withoutTarget } from './context.ts';

/** The largest other logit minus that of the true class (Carlini & Wagner 2017), as trainings maximise it. */
export interface Margin {
  readonly name: 'margin';
  readonly at: At;
  /** Images whose true class is behind by this much count no more: −relu(f_y − f_other + confidence). Default: no limit. */
  readonly confidence?: number;
  /** Kim et al. 2019 multiply the true logit by 0 instead of leaving it out, so that the other one is never below 0. */
  readonly rival?: 'other' | 'other or 0';
}

export function writeMargin({ g, passes, target }: LossContext, { at, confidence, rival = 'other' }: Margin): Value {
  const { logits } = passes[at];
  const others = rival === 'other' ? withoutTarget(g, logits, target) : g.mul(logits, g.sub(g.constant(1), target));
  const ahead = g.sub(g.reduceSum(g.mul(logits, target), [1]), g.reduceMax(others, [1]));
  return g.neg(confidence === undefined ? ahead : g.relu(g.offset(ahead, confidence)));
}
