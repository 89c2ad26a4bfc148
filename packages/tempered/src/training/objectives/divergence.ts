import type { Value } from 'onnx-grad';
import { type LossContext, logSoftmax } from './context.ts';

/** KL(p(x) ‖ p(x')), the second term of TRADES (Zhang et al. 2019, eq. 5). The gradient flows through both. */
export interface Divergence {
  readonly name: 'divergence';
  /** `'doubt'`: times 1 − p_y(x), as in MART (Wang et al. 2020, eq. 9), which cares more for images not yet learnt. */
  readonly weighting?: 'doubt';
}

export function writeDivergence({ g, passes, target }: LossContext, { weighting }: Divergence): Value {
  const clean = logSoftmax(g, passes.clean.logits);
  const probabilities = g.exp(clean);
  const difference = g.sub(clean, logSoftmax(g, passes.adversarial.logits));
  const divergence = g.reduceSum(g.mul(probabilities, difference), [1]);
  if (weighting === undefined) return divergence;
  // Σ of the others, not 1 − p_y: no digits are lost where p_y is nearly 1.
  const doubt = g.reduceSum(g.mul(probabilities, g.sub(g.constant(1), target)), [1]);
  return g.mul(divergence, doubt);
}
