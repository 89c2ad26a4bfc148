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
  return isSeparable(window) ? axisByAxis(g, x, y, dy, window) : tapByTap(g, x, y, dy, window);
}

function tapByTap(g: GraphBuilder, x: Value, y: Value, dy: Value, window: Window): Value {
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

/** Dense overlapping windows: fewer taps when the maximum is taken along one axis after another. */
const isSeparable = ({ kernel, strides, dilations }: Window): boolean =>
  kernel.filter((taps) => taps > 1).length > 1 && [...strides, ...dilations].every((n) => n === 1);

/**
 * The maximum over rows of the maxima within rows: k + k taps instead of k · k. The first row that holds the maximum,
 * and the first such element in it, are the first in row-major order.
 */
function axisByAxis(g: GraphBuilder, x: Value, y: Value, dy: Value, window: Window): Value {
  const axes = window.kernel.flatMap((taps, axis) => (taps > 1 ? [axis] : [])).reverse();
  const stages = axes.map((axis) => alongAxis(window, axis));
  const maxima = [x];
  for (const { kernel, before, after } of stages.slice(0, -1)) {
    maxima.push(g.op('MaxPool', [maxima.at(-1)!], { kernel_shape: kernel, pads: [...before, ...after] }));
  }
  maxima.push(y);
  return stages.reduceRight((cotangent, { kernel, before, after }, i) => {
    const input = maxima[i]!;
    const output = maxima[i + 1]!;
    const stage = { ...window, kernel, before, after, output: output.shape.slice(2) };
    return tapByTap(g, input, output, cotangent, stage);
  }, dy);
}

/** The window that is as long as the one given along `axis`, and a single element along the others. */
const alongAxis = ({ kernel, before, after }: Window, axis: number) => {
  const only = (list: readonly number[], other: number) => list.map((n, i) => (i === axis ? n : other));
  return { kernel: only(kernel, 1), before: only(before, 0), after: only(after, 0) };
};

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
