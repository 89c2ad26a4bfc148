import type { GraphBuilder, Value } from 'onnx-grad';
import { clip } from './transform.ts';

/**
 * Images [N, C, H, W] read at displaced pixels: the value at (i, j) becomes x(i + flow[0], j + flow[1]), interpolated
 * bilinearly; `flow` is [N, 2, H, W], rows first, in pixels. Beyond the border lies 0, or the border's own values.
 *
 * Written with GatherElements and arithmetic, which run on every provider and have exact gradients in both x and flow
 * (between pixels; on a pixel's row or column the slope to the next one counts).
 */
export function sampleAlongFlow(g: GraphBuilder, x: Value, flow: Value, outside: 'zero' | 'edge'): Value {
  const [count = 0, channels = 0, height = 0, width = 0] = x.shape;
  const rows = along(g, flow, 0, height, outside);
  const columns = along(g, flow, 1, width, outside);
  const flat = g.reshape(x, [count, channels, height * width]);
  const corners = [rows.first, rows.second].flatMap((row) =>
    [columns.first, columns.second].map((column) => {
      const position = g.cast(g.add(g.scale(row.index, width), column.index), 'int32');
      const indices = g.expand(g.reshape(position, [count, 1, height * width]), flat.shape);
      const values = g.reshape(g.op('GatherElements', [flat, indices], { axis: 2 }), x.shape);
      return g.mul(values, g.mul(row.weight, column.weight));
    }),
  );
  return g.sum(corners);
}

interface Neighbour {
  /** Inside the image, as a float: WebGPU has no integer arithmetic. [N, 1, H, W]. */
  readonly index: Value;
  readonly weight: Value;
}

/** The two rows (axis 0) or columns (axis 1) on either side of each displaced pixel. */
function along(
  g: GraphBuilder,
  flow: Value,
  axis: 0 | 1,
  length: number,
  outside: 'zero' | 'edge',
): { first: Neighbour; second: Neighbour } {
  const own = Array.from({ length }, (_, i) => i);
  const shift = g.slice(flow, { starts: [axis], ends: [axis + 1], axes: [1] });
  const free = g.add(shift, g.constant(own, axis === 0 ? [1, 1, length, 1] : [1, 1, 1, length]));
  // Two pixels beyond the border nothing changes any more, and no index overflows.
  const position = outside === 'edge' ? clip(g, free, 0, length - 1) : clip(g, free, -2, length + 1);
  const below = g.op('Floor', [position]);
  const fraction = g.sub(position, below);
  const neighbour = (index: Value, weight: Value): Neighbour => {
    const inside = clip(g, index, 0, length - 1);
    return { index: inside, weight: outside === 'edge' ? weight : g.mask(g.equal(inside, index), weight) };
  };
  return {
    first: neighbour(below, g.offset(g.neg(fraction), 1)),
    second: neighbour(g.offset(below, 1), fraction),
  };
}
