/** @file The classes that an image may be pushed to: which ones, how far behind they are, and the gradients of that. */
import { type GraphBuilder, gradient, type Value } from 'onnx-grad';
import type { Goal } from '../optimize/judgement.ts';

export interface Rivals {
  /** Rival's logit minus that of the class to leave, [N, R, 1]. */
  readonly margins: Value;
  /** Gradients of the margins by the image, [N, R, D]. */
  readonly gradients: Value;
}

/** Margins and gradients of the differences of logits that `pairs`, each [N, K] with a 1 and a −1 in every row, pick. */
export function writeRivals(g: GraphBuilder, x: Value, logits: Value, pairs: readonly Value[]): Rivals {
  const [batch, ...shape] = x.shape as [number, ...number[]];
  const size = shape.reduce((a, b) => a * b, 1);
  const stack = (values: readonly Value[], last: number) =>
    g.concat(
      values.map((value) => g.reshape(value, [batch, 1, last])),
      1,
    );
  const margins = pairs.map((pair) => g.reduceSum(g.mul(logits, pair), [1], true));
  const gradients = pairs.map((cotangent) => gradient(g, { of: logits, wrt: [x], cotangent })[0]!);
  return { margins: stack(margins, 1), gradients: stack(gradients, size) };
}

/**
 * The pairs to look at, one-hot differences [N, K]. To leave the class `target`: the `count` strongest classes beside
 * it, each against it; to reach it: `target` against the strongest class beside it.
 */
export function rivalPairs(g: GraphBuilder, logits: Value, target: Value, goal: Goal, count: number): Value[] {
  const others = strongest(g, logits, target, count);
  return others.map((other) => (goal === 'away' ? g.sub(other, target) : g.sub(target, other)));
}

/** Of R vectors per image, [N, R, ...], those of the smallest length, [N, R, 1]: [N, ...] each. */
export function nearest<Name extends string>(
  g: GraphBuilder,
  length: Value,
  vectors: Readonly<Record<Name, Value>>,
): Record<Name, Value> {
  const [batch, count] = length.shape as [number, number];
  const index = g.cast(g.op('ArgMin', [g.reshape(length, [batch, count])], { axis: 1, keepdims: 1 }), 'float32');
  const numbers = g.constant(
    Array.from({ length: count }, (_, k) => k),
    [1, count],
  );
  const chosen = g.reshape(g.equal(g.expand(index, [batch, count]), numbers), [batch, count, 1]);
  const entries = Object.entries<Value>(vectors).map(([name, value]) => [
    name,
    g.reduceSum(g.mask(chosen, value), [1]),
  ]);
  return Object.fromEntries(entries) as Record<Name, Value>;
}

/** One-hot [N, K] of the largest logits beside the excluded class, the largest first. */
function strongest(g: GraphBuilder, logits: Value, excluded: Value, count: number): Value[] {
  const [batch, classes] = logits.shape as [number, number];
  const others = g.where(g.greater(excluded, g.constant(0.5)), g.constant(-3e38), logits);
  const [, indices] = g.node('TopK', [others, g.integers([count])], { axis: 1 }, 2);
  const numbers = g.constant(
    Array.from({ length: classes }, (_, k) => k),
    [1, classes],
  );
  return Array.from({ length: count }, (_, rank) => {
    const index = g.slice(g.cast(indices!, 'float32'), { starts: [rank], ends: [rank + 1], axes: [1] });
    return g.cast(g.equal(g.expand(index, [batch, classes]), numbers), 'float32');
  });
}
