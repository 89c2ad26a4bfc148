import type { GraphBuilder } from '../builder.ts';
import { imageLayout } from '../operators/image-layout.ts';
import { channelWindow, type LRNAttributes } from '../operators/local-response.ts';
import type { Value } from '../value.ts';
import { once } from './once.ts';
import type { Rule } from './rule.ts';

/**
 * Sums x over the channels of each channel's window: a product with a constant matrix of ones along its diagonal.
 * `adjoint` sums over the channels whose window holds it instead.
 */
function windowSum(g: GraphBuilder, x: Value, size: number, adjoint: boolean): Value {
  const { images, channels, area } = imageLayout(x.shape);
  const band = new Float64Array(channels * channels);
  for (let c = 0; c < channels; c++) {
    const [first, last] = channelWindow(c, channels, size);
    for (let other = first; other <= last; other++) band[adjoint ? other * channels + c : c * channels + other] = 1;
  }
  const matrix = g.constant([...band], [channels, channels], x);
  return g.reshape(g.matmul(matrix, g.reshape(x, [images, channels, area])), x.shape);
}

/** With s = bias + α/size · Σ x²:  dx = dy·s^−β − (2αβ/size) · x · Σᵀ(dy·x·s^(−β−1)). */
export const LRN: Rule = ({ g, inputs, attributes, dy }) => {
  const x = inputs[0]!;
  const { alpha, beta, bias, size } = attributes as LRNAttributes;
  const sum = once(() => g.offset(g.scale(windowSum(g, g.square(x), size, false), alpha / size), bias));
  return [
    () => {
      const own = g.mul(dy, g.pow(sum(), g.constant(-beta, [], x)));
      const pulled = windowSum(g, g.div(g.mul(own, x), sum()), size, true);
      return g.sub(own, g.mul(x, g.scale(pulled, (2 * alpha * beta) / size)));
    },
  ];
};
