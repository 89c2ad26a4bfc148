/** @file Limits on the gradients of a training step, written into its graph. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { UsageError } from '../errors.ts';

export type GradientClipping =
  | { readonly name: 'value'; readonly limit: number }
  | { readonly name: 'norm'; readonly limit: number };

/** Every entry of every gradient is brought into [−limit, limit]. */
export const clipByValue = (limit: number): GradientClipping => ({ name: 'value', limit });

/** All gradients together are scaled so that their l2 norm is at most `limit`. Pascanu, Mikolov & Bengio 2013, algorithm 1. */
export const clipByNorm = (limit: number): GradientClipping => ({ name: 'norm', limit });

/** Throws a UsageError unless the limit is above 0. */
export function checkClipping({ name, limit }: GradientClipping): void {
  if (!(limit > 0 && limit < Number.POSITIVE_INFINITY))
    throw new UsageError(`the limit of clipping by ${name} must be above 0, not ${limit}`);
}

/** Writes the clipped gradients, in the order given. */
export function writeClipping(
  g: GraphBuilder,
  gradients: readonly Value[],
  clipping: GradientClipping | undefined,
): Value[] {
  if (clipping === undefined || gradients.length === 0) return [...gradients];
  const limit = g.constant(clipping.limit);
  if (clipping.name === 'value') {
    const lower = g.constant(-clipping.limit);
    return gradients.map((gradient) => g.max(lower, g.min(limit, gradient)));
  }
  const squares = gradients.map((gradient) =>
    g.reduceSum(
      g.square(gradient),
      gradient.shape.map((_, axis) => axis),
    ),
  );
  const norm = g.sqrt(g.sum(squares));
  const factor = g.div(limit, g.max(norm, limit));
  return gradients.map((gradient) => g.mul(gradient, factor));
}
