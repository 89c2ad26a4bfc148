/** @file When a compiled program calls an image adversarial. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { objectives } from '../objectives/objectives.ts';

/** Whether a class is to be left or to be reached. */
export type Goal = 'away' | 'toward';

export interface Judged {
  /** How far an image is beyond what counts as adversarial: its margin, with the sign of the goal, less the slack, [N]. */
  readonly excess: Value;
  readonly success: Value;
}

/**
 * Other programs that compute the same logits round otherwise: images whose margin is a few roundings wide are not
 * called adversarial yet.
 *
 * @param target one-hot: the class to leave or to reach, [N, K]
 * @param confidence margin to reach beyond that
 */
export function writeJudgement(g: GraphBuilder, logits: Value, target: Value, goal: Goal, confidence = 0): Judged {
  const margin = objectives.margin.build(g, logits, target);
  const slack = g.scale(g.reduceMax(g.abs(logits), [1]), ROUNDING);
  const beyond = g.sub(goal === 'away' ? margin : g.neg(margin), slack);
  const excess = confidence === 0 ? beyond : g.offset(beyond, -confidence);
  return { excess, success: g.greater(excess, g.constant(0)) };
}

const ROUNDING = 1e-6;
