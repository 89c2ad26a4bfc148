/** @file What the terms of a training loss are written from: the clean and the adversarial pass of one batch. */
import type { GraphBuilder, Value } from 'onnx-grad';
import type { AppliedModel } from '../../models/classifier.ts';

/** Which images a term looks at. */
export type At = 'clean' | 'adversarial';

/** The model on one version of the batch. Each value is written into the graph, or fed to it, when it is first read. */
export interface Pass {
  /** Images, [N, C, H, W]. */
  readonly x: Value;
  /** [N, K]. */
  readonly logits: Value;
  /** Class activation maps, [N, K, H', W']. */
  readonly maps: Value;
}

export interface LossContext {
  readonly g: GraphBuilder;
  readonly passes: Readonly<Record<At, Pass>>;
  /** One-hot classes, [N, K]. */
  readonly target: Value;
  /** The classes that a classification loss asks for: `target`, smoothed in training. */
  readonly softTarget: Value;
  /** A further pass, on any number of images. */
  apply(x: Value): AppliedModel;
}

/** log p of every class, [N, K]. The largest logit is taken off first, so that exp does not overflow. */
export function logSoftmax(g: GraphBuilder, logits: Value): Value {
  const shifted = g.sub(logits, g.reduceMax(logits, [1], true));
  return g.sub(shifted, g.log(g.reduceSum(g.exp(shifted), [1], true)));
}

/** Logits with that of the true class out of the running, for maxima and softmaxes over the others. */
export const withoutTarget = (g: GraphBuilder, logits: Value, target: Value): Value =>
  g.where(g.greater(target, g.constant(0.5)), g.constant(-1e30), logits);
