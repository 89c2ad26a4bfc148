/**
 * @file A convolution of which only the mean, or sum, over all positions is read, as in front of a global average pool.
 * Summing commutes with convolving: first the pixels that each tap meets are added up, then one product replaces the
 * convolution; its gradients, whose cotangent is the same at every position, are products too.
 */
import type { GraphBuilder } from '../builder.ts';
import { sizeOf } from '../graph.ts';
import type { Convolution } from '../operators/convolution.ts';
import { forEachTap, type Window } from '../operators/window.ts';
import type { Value } from '../value.ts';

/** Taps × pixels: a larger table would cost more memory than the convolution it saves. */
const LARGEST_TABLE = 2 ** 18;

/** Whether a convolution may be written as a product with a table of taps and pixels. */
export const hasSmallTable = ({ window, group, image }: Convolution): boolean =>
  group === 1 && sizeOf(window.kernel) * sizeOf(image) <= LARGEST_TABLE;

/** The sums [N, C · taps] of the pixels of x [N, C, ...image] that each tap meets, times `factor`. */
function tapSums(g: GraphBuilder, x: Value, { window, image }: Convolution, factor = 1): Value {
  const [n = 0, channels = 0] = x.shape;
  const [taps, pixels] = [sizeOf(window.kernel), sizeOf(image)];
  const rows = g.reshape(x, [n * channels, pixels]);
  const sums = g.matmul(rows, g.matrixTranspose(meetings(g, window, image, factor, x)));
  return g.reshape(sums, [n, channels * taps]);
}

/** How many windows let a tap meet a pixel, times `factor`: [taps, pixels]. */
function meetings(g: GraphBuilder, window: Window, image: readonly number[], factor: number, like: Value): Value {
  const [taps, pixels] = [sizeOf(window.kernel), sizeOf(image)];
  const counts = new Float64Array(taps * pixels);
  forEachTap(window, image, (_, pixel, tap) => {
    counts[tap * pixels + pixel]! += factor;
  });
  return g.constant(Array.from(counts), [taps, pixels], like);
}

/** The mean [N, O] over all positions of the convolution of x [N, C, ...image] with `weight` [O, C, ...kernel]. */
export function averagedConvolution(g: GraphBuilder, x: Value, weight: Value, convolution: Convolution): Value {
  const sums = tapSums(g, x, convolution, 1 / sizeOf(convolution.window.output));
  return g.op('Gemm', [sums, asMatrix(g, weight)], { transB: 1 });
}

/** The cotangent [N, O] of each position, where it is the same at all of them: what a global average or sum sends back. */
export function uniformCotangent(g: GraphBuilder, dy: Value, convolution: Convolution): Value | undefined {
  const node = g.producer(dy);
  if (node?.op !== 'Expand' || !hasSmallTable(convolution) || sizeOf(convolution.window.output) === 1) return undefined;
  const source = g.value(node.inputs[0]!);
  const [n = 0, channels = 0] = dy.shape;
  const alike = source.shape.join() === [n, channels, ...dy.shape.slice(2).map(() => 1)].join();
  return alike ? g.reshape(source, [n, channels]) : undefined;
}

/** Gradient [N, C, ...image] of the input. */
export function uniformInputGradient(g: GraphBuilder, dy: Value, weight: Value, { window, image }: Convolution): Value {
  const n = dy.shape[0]!;
  const channels = weight.shape[1]!;
  const taps = g.reshape(g.matmul(dy, asMatrix(g, weight)), [n * channels, sizeOf(window.kernel)]);
  return g.reshape(g.matmul(taps, meetings(g, window, image, 1, dy)), [n, channels, ...image]);
}

/** Gradient [O, C, ...kernel] of the weight. */
export function uniformWeightGradient(g: GraphBuilder, x: Value, dy: Value, convolution: Convolution): Value {
  const product = g.op('Gemm', [dy, tapSums(g, x, convolution)], { transA: 1 });
  return g.reshape(product, [dy.shape[1]!, x.shape[1]!, ...convolution.window.kernel]);
}

const asMatrix = (g: GraphBuilder, weight: Value): Value =>
  g.reshape(weight, [weight.shape[0]!, sizeOf(weight.shape.slice(1))]);
