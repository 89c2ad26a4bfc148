import type { GraphBuilder } from '../builder.ts';
import { imageLayout } from '../operators/image-layout.ts';
import type { LRNAttributes } from '../operators/local-response.ts';
import type { Value } from '../value.ts';
import { once } from './once.ts';
import type { Rule } from './rule.ts';

/**
 * For each channel, the sum over its window divided by the window's full size, as an average pool over the channel
 * axis: that runs several times faster than a product with a banded matrix. `adjoint` mirrors the window.
 */
function windowMean(g: GraphBuilder, x: Value, size: number, adjoint: boolean): Value {
  const { images, channels, area } = imageLayout(x.shape);
  const short = Math.floor((size - 1) / 2);
  const long = size - 1 - short;
  const pads = adjoint ? [long, 0, short, 0] : [short, 0, long, 0];
  const planes = g.reshape(x, [images, 1, channels, area]);
  const pooled = g.op('AveragePool', [planes], { kernel_shape: [size, 1], pads, count_include_pad: 1 });
  return g.reshape(pooled, x.shape);
}

/** s = bias + α/size · Σ window x² and s^−β; the power as exp(−β·log s), which runs ten times faster than Pow. */
export function localResponse(g: GraphBuilder, x: Value, { alpha, beta, bias, size }: LRNAttributes) {
  const sum = g.offset(g.scale(windowMean(g, g.square(x), size, false), alpha), bias);
  return { sum, factor: g.exp(g.scale(g.log(sum), -beta)) };
}

/** dx = dy·s^−β − (2αβ/size) · x · Σᵀ(dy·x·s^(−β−1)), where Σᵀ sums over the channels whose window holds this one. */
export const LRN: Rule = ({ g, inputs, attributes, dy }) => {
  const x = inputs[0]!;
  const parameters = attributes as LRNAttributes;
  const { alpha, beta, size } = parameters;
  const response = once(() => localResponse(g, x, parameters));
  return [
    () => {
      const { sum, factor } = response();
      const own = g.mul(dy, factor);
      const pulled = windowMean(g, g.div(g.mul(own, x), sum), size, true);
      return g.sub(own, g.mul(x, g.scale(pulled, 2 * alpha * beta)));
    },
  ];
};
