/** @file What attacks without gradients ask a model for. */
import type { GraphBuilder, Value } from 'onnx-grad';
import type { Chunk } from '../models/batching.ts';
import { oneHot, padLabels } from '../models/batching.ts';
import type { Classifier } from '../models/classifier.ts';
import { objectives } from '../objectives/objectives.ts';
import { type Goal, writeJudgement } from '../optimize/judgement.ts';
import type { HostTensor } from '../runtime/runtime.ts';
import type { Task } from './search.ts';

export const goalOf = ({ targets }: Task): Goal => (targets ? 'toward' : 'away');

/** The classes that a task moves away from or toward, for a padded chunk of its images: [batch, K]. */
export function goalClasses({ labels, targets, classifier }: Task, chunk: Chunk, batch: number): HostTensor {
  const { shape, data } = oneHot(padLabels(targets ?? labels, chunk, batch), classifier.classes.length);
  return { dtype: 'float32', shape, data };
}

/** Writes 1 where the goal is met and 0 elsewhere, [N]; `target` is one-hot, [N, K]. */
export const writeMet = (g: GraphBuilder, logits: Value, target: Value, goal: Goal): Value =>
  g.cast(writeJudgement(g, logits, target, goal).success, 'float32');

/** Writes what an attack by scores climbs, [N]: the margin of the best other class, or the log-probability of the target. */
export function writeScore(g: GraphBuilder, logits: Value, target: Value, goal: Goal): Value {
  return goal === 'away'
    ? objectives.margin.build(g, logits, target)
    : g.neg(objectives['cross-entropy'].build(g, logits, target));
}

/** Channels, height and width of the images that a classifier takes; undefined for inputs that are no images. */
export function imageShape({ inputShape }: Classifier): [number, number, number] | undefined {
  const [channels, height, width] = inputShape;
  if (inputShape.length !== 3) return undefined;
  return [channels!, height!, width!];
}
