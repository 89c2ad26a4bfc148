/** @file Which way a step goes, given the gradient. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { balls, finite, type Norm, perImage, unitL1 } from './ball.ts';

/**
 * - `'steepest'`: the steepest ascent of the linearised objective under the norm, `size` long under it
 * - `'sign'`: every pixel by `size` along the sign of its gradient, whatever the norm
 * - `'gradient'`: `size` times the gradient itself
 * - `{ largest: q }`: the share q of the pixels with the largest gradients, each along its sign and by as much, `size`
 *   long in l1 together (sparse l1 descent, Tramèr & Boneh 2019, §C)
 */
export type Direction = 'steepest' | 'sign' | 'gradient' | { readonly largest: number };

/** x moved by `size` in a direction; a gradient without a value counts as 0. */
export function writeMove(
  g: GraphBuilder,
  norm: Norm,
  direction: Direction,
  x: Value,
  gradient: Value,
  size: Value,
): Value {
  if (direction === 'steepest') return balls[norm].step(g, x, gradient, size);
  if (direction === 'sign') return g.add(x, g.mul(size, g.sign(gradient)));
  if (direction === 'gradient') return g.add(x, g.mul(size, finite(g, gradient)));
  const [count, ...image] = gradient.shape as [number, ...number[]];
  const pixels = image.reduce((a, b) => a * b, 1);
  const kept = Math.min(pixels, Math.max(1, Math.round(direction.largest * pixels)));
  const lengths = g.abs(finite(g, gradient));
  const [largest] = g.node('TopK', [g.reshape(lengths, [count, pixels]), g.integers([kept])], { axis: 1 }, 2);
  const least = g.reshape(g.reduceMin(largest!, [1], true), [count, ...image.map(() => 1)]);
  return g.add(x, g.mul(size, sparseSigns(g, gradient, lengths, least)));
}

/** The signs of the entries that are `least` long or longer, over their number. */
export const sparseSigns = (g: GraphBuilder, gradient: Value, lengths: Value, least: Value): Value =>
  unitL1(g, g.mask(g.greaterOrEqual(lengths, least), g.sign(gradient)));

/** gradient / ‖gradient‖₁ of each image. */
export function averaged(g: GraphBuilder, gradient: Value): Value {
  const numbers = finite(g, gradient);
  // Scaled first: the sum of many large entries would overflow.
  const top = g.max(g.reduceMax(g.abs(numbers), perImage(numbers), true), g.constant(1e-30));
  return unitL1(g, g.div(numbers, top));
}
