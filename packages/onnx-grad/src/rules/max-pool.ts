/** @file The gradient of MaxPool without its Indices output, which WebGPU lacks. */
import type { GraphBuilder } from '../builder.ts';
import type { DataType } from '../graph.ts';
import type { Window } from '../operators/window.ts';
import type { Value } from '../value.ts';
import { positions } from './phases.ts';
import { foldTaps, tapReader } from './taps.ts';

/**
 * Passes each element of `dy` to the first element of its window, in row-major order, that equals the maximum `y`.
 * The choice itself has no derivative, so differentiating the result again is right almost everywhere.
 */
export function maxPoolGradient(g: GraphBuilder, x: Value, y: Value, dy: Value, window: Window): Value {
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

/** Padding that no maximum equals. The lowest finite number, because shaders have no infinity. */
const lowest = (dtype: DataType): number =>
  dtype === 'float16' ? -65504 : dtype === 'float64' ? -Number.MAX_VALUE : -3.4028234663852886e38;
