/** @file DeepLIFT through softmax and log Σ exp: every number of a row differs because of every other. */
import type { GraphBuilder, Value } from 'onnx-grad';
import type { Compared, RescaleRule } from './deep-lift-compared.ts';
import { reducedAxes } from './deep-lift-composites.ts';
import { exponential, logarithm } from './deep-lift-secants.ts';

/**
 * log Σ exp along axes, at the image and at the baseline, and the share of each element in its difference: the rescale rule
 * of exp, then that of log. One shift for both keeps exp in range, and changes no difference.
 */
function logSumExp(g: GraphBuilder, x: Value, x0: Value, axes: readonly number[]) {
  const normaliser = (values: Value) => {
    const largest = g.reduceMax(values, axes, true);
    return g.add(largest, g.log(g.reduceSum(g.exp(g.sub(values, largest)), axes, true)));
  };
  const [total, baseTotal] = [normaliser(x), normaliser(x0)];
  const shift = g.reduceMax(g.max(x, x0), axes, true);
  const [u, u0] = [g.sub(x, shift), g.sub(x0, shift)];
  const [sum, baseSum] = [u, u0].map((value) => g.reduceSum(g.exp(value), axes, true)) as [Value, Value];
  const shares = g.mul(exponential(g, u, u0), logarithm(g, sum, baseSum, g.sub(total, baseTotal)));
  return { total, baseTotal, shares };
}

/** y = x − log Σ exp x; `multiplierOf` is that of y, whose values at the image and at the baseline it gets. */
const shifted =
  (multiplierOf: (node: Compared, y: Value, y0: Value) => Value): RescaleRule =>
  (node) => [
    () => {
      const { g, inputs, baseInputs, attributes } = node;
      const [x, x0] = [inputs[0]!, baseInputs[0]!];
      const axes = [attributes.axis < 0 ? attributes.axis + x.shape.length : attributes.axis];
      const { total, baseTotal, shares } = logSumExp(g, x, x0, axes);
      const multiplier = multiplierOf(node, g.sub(x, total), g.sub(x0, baseTotal));
      return g.sub(multiplier, g.mul(shares, g.reduceSum(multiplier, axes, true)));
    },
  ];

export const logSoftmax: RescaleRule = shifted(({ dy }) => dy);

/** exp of the logarithmic softmax. */
export const softmax: RescaleRule = shifted(({ g, dy }, y, y0) => g.mul(dy, exponential(g, y, y0)));

export const reduceLogSumExp: RescaleRule = ({ g, dy, inputs: [x, axes], baseInputs }) => [
  () => {
    const { total, shares } = logSumExp(g, x!, baseInputs[0]!, reducedAxes(x!, axes));
    return g.mul(shares, g.reshape(dy, total.shape));
  },
];
