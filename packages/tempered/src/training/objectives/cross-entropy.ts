import type { Value } from 'onnx-grad';
import { objectives } from '../../objectives/objectives.ts';
import type { At, LossContext } from './context.ts';

/** −log p of the true class. */
export interface CrossEntropy {
  readonly name: 'cross-entropy';
  readonly at: At;
}

export const writeCrossEntropy = ({ g, passes, softTarget }: LossContext, { at }: CrossEntropy): Value =>
  objectives['cross-entropy'].build(g, passes[at].logits, softTarget);
