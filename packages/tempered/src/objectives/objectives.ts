/** @file What is differentiated: a number per image, written into a graph from the logits and the class in question. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { dlr } from './dlr.ts';

/** Writes one number per image, [N], from logits [N, K] and the one-hot class `target` [N, K]. */
export type Objective = (g: GraphBuilder, logits: Value, target: Value) => Value;

const selected: Objective = (g, logits, target) => g.reduceSum(g.mul(logits, target), [1]);

/** −log p(target). The largest logit is taken off all first: exp does not overflow, and large logits cost no digits. */
const crossEntropy: Objective = (g, logits, target) => {
  const shifted = g.sub(logits, g.reduceMax(logits, [1], true));
  return g.sub(g.log(g.reduceSum(g.exp(shifted), [1])), selected(g, shifted, target));
};

/** Largest other logit minus the target's: positive when the image is not classified as the target. Carlini & Wagner 2017, f₆ without the hinge. */
const margin: Objective = (g, logits, target) => {
  const excluded = g.where(g.greater(target, g.constant(0.5)), g.constant(-1e30), logits);
  return g.sub(g.reduceMax(excluded, [1]), selected(g, logits, target));
};

/** −max(z_y − max_{i≠y} z_i + 50, 0), the true class masked by −10⁴: MNIST challenge of Madry et al., and source 002 (experiments §11.2). */
const hinge50: Objective = (g, logits, target) => {
  const masked = g.sub(g.mul(g.sub(g.constant(1), target), logits), g.scale(target, 1e4));
  return hinge(g, logits, target, masked, 50);
};

/** −max(z_y − max_i (1 − [i = y]) z_i + 500, 0): the true class counts as 0, so the rival never does less. Source 000 (§1.3). */
const hinge500: Objective = (g, logits, target) =>
  hinge(g, logits, target, g.mul(g.sub(g.constant(1), target), logits), 500);

function hinge(g: GraphBuilder, logits: Value, target: Value, rivals: Value, width: number): Value {
  const lead = g.sub(selected(g, logits, target), g.reduceMax(rivals, [1]));
  return g.neg(g.relu(g.offset(lead, width)));
}

const probability: Objective = (g, logits, target) => g.exp(g.neg(crossEntropy(g, logits, target)));

/** `rises` says whether the number grows as the prediction moves away from the target class or toward it. */
export const objectives = {
  'cross-entropy': { build: crossEntropy, rises: 'away' },
  margin: { build: margin, rises: 'away' },
  dlr: { build: dlr, rises: 'away' },
  'hinge-50': { build: hinge50, rises: 'away' },
  'hinge-500-zero': { build: hinge500, rises: 'away' },
  logit: { build: selected, rises: 'toward' },
  probability: { build: probability, rises: 'toward' },
} as const satisfies Record<string, { build: Objective; rises: 'away' | 'toward' }>;

export type ObjectiveName = keyof typeof objectives;
