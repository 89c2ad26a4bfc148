/** @file The gradient of MaxPool without its Indices output, which WebGPU lacks. */
import type { GraphBuilder } from '../builder.ts';
import { checkTableSize } from '../fold.ts';
import { type DataType, sizeOf } from '../graph.ts';
import type { Window } from '../operators/window.ts';
import type { Value } from '../value.ts';
import { positions } from './phases.ts';
import { foldTaps, tapReader } from './taps.ts';

/**
 * Passes each element of `dy` to the first element of its window, in row-major order, that equals the maximum `y`.
 * The choice itself has no derivative, so differentiating the result again is right almost everywhere.
 */
export function maxPoolGradient(g: GraphBuilder, x: Value, y: Value, dy: Value, window: Window): Value {
  if (coversAll(window, x.shape.slice(2))) return globalMaxPoolGradient(g, x, y, dy);
  const read = tapReader(g, x, window, { padding: lowest(x.dtype) });
  const taps = positions(window.kernel);
  let remaining = dy;
  const parts = taps.map((tap, index) => {
    // Whatever no earlier tap took belongs to the last.
    if (index === taps.length - 1) return remaining;
    const part = g.mask(g.equal(read(tap), y), remaining);
    remaining = g.sub(remaining, part);
    return part;
  });
  return foldTaps(g, parts, window, x.shape.slice(2));
}

/** Whether there is one window, and it holds the whole image. */
const coversAll = ({ kernel, dilations, before, output }: Window, image: readonly number[]): boolean =>
  image.every(
    (length, axis) => output[axis] === 1 && dilations[axis] === 1 && before[axis] === 0 && kernel[axis]! >= length,
  );

/**
 * Passes `dy` [N, C, 1, ...] to the first element of each plane of `x` that equals its maximum `y`: elements that do are
 * ranked by position, and the highest rank is the first.
 */
export function globalMaxPoolGradient(g: GraphBuilder, x: Value, y: Value, dy: Value): Value {
  const image = x.shape.slice(2);
  const size = sizeOf(image);
  checkTableSize(size, `the gradient of GlobalMaxPool over ${image.join(' × ')}`, 2 ** 22);
  const rank = g.constant(
    Array.from({ length: size }, (_, i) => size - i),
    [1, 1, ...image],
    x,
  );
  const ranks = g.mask(g.equal(x, y), rank);
  const best = g.reduceMax(
    ranks,
    image.map((_, axis) => axis + 2),
    true,
  );
  return g.mask(g.equal(ranks, best), dy);
}

/** Padding that no maximum equals. The lowest finite number, because shaders have no infinity. */
const lowest = (dtype: DataType): number =>
  dtype === 'float16' ? -65504 : dtype === 'float64' ? -Number.MAX_VALUE : -3.4028234663852886e38;
