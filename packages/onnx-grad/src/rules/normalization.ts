/** @file Gradients of operators that subtract a mean and divide by a deviation. */
import type { GraphBuilder } from '../builder.ts';
import { sizeOf } from '../graph.ts';
import type { InstanceNormalizationAttributes, LayerNormalizationAttributes } from '../operators/normalization.ts';
import { normalizeAxis } from '../operators/operator.ts';
import type { Value } from '../value.ts';
import { BatchNormalization, channelwise } from './batch-normalization.ts';
import { LRN } from './local-response.ts';
import { loss } from './loss.ts';
import { LpNormalization } from './lp-normalization.ts';
import { once } from './once.ts';
import type { Rule } from './rule.ts';

/**
 * The gradient of x̂ = (x − mean)·r, where mean and r = 1/√(variance + ε) are those of x along `axes`:
 * r·(d − mean(d) − x̂·mean(d·x̂)) for the cotangent d of x̂.
 */
function whitenedGradient(
  g: GraphBuilder,
  cotangent: Value,
  whitened: Value,
  inverse: Value,
  axes: readonly number[],
): Value {
  const mean = g.reduceMean(cotangent, axes, true);
  const projection = g.reduceMean(g.mul(cotangent, whitened), axes, true);
  return g.mul(g.sub(g.sub(cotangent, mean), g.mul(whitened, projection)), inverse);
}

/** x̂ and 1/√(variance + ε) come from the provider's own fused kernel, run with a scale of 1. */
const LayerNormalization: Rule = ({ g, inputs, attributes, dys, has }) => {
  const [x, scale, bias] = inputs as [Value, Value, Value];
  const { axis, epsilon } = attributes as LayerNormalizationAttributes;
  const first = normalizeAxis(axis, x.shape.length, 'LayerNormalization');
  const axes = x.shape.flatMap((_, i) => (i < first ? [] : [i]));
  const width = sizeOf(x.shape.slice(first));
  const statistics = once(() => {
    const ones = g.constant(1, x.shape.slice(first), x);
    const [whitened, , inverse] = g.node('LayerNormalization', [x, ones], { axis: first, epsilon }, 3);
    return { whitened: whitened!, inverse: inverse! };
  });
  const [dy, dMean, dInverse] = dys;
  return [
    () => {
      const parts: Value[] = [];
      if (dy !== undefined) {
        const { whitened, inverse } = statistics();
        parts.push(whitenedGradient(g, g.mul(dy, scale), whitened, inverse, axes));
      }
      if (dMean !== undefined) parts.push(g.expand(g.scale(dMean, 1 / width), x.shape));
      if (dInverse !== undefined) {
        const { whitened, inverse } = statistics();
        parts.push(g.mul(whitened, g.scale(g.mul(dInverse, g.square(inverse)), -1 / width)));
      }
      return g.sum(parts);
    },
    () => (dy ? g.sumTo(g.mul(dy, statistics().whitened), scale.shape) : g.zerosLike(scale)),
    has(2) ? () => (dy ? g.sumTo(dy, bias.shape) : g.zerosLike(bias)) : undefined,
  ];
};

const InstanceNormalization: Rule = ({ g, inputs, attributes, dy }) => {
  const [x, scale] = inputs as [Value, Value];
  const { epsilon } = attributes as InstanceNormalizationAttributes;
  const { axes, shape } = channelwise(x);
  const area = axes.slice(1);
  const statistics = once(() => {
    const centred = g.sub(x, g.reduceMean(x, area, true));
    const variance = g.reduceMean(g.square(centred), area, true);
    const inverse = g.div(g.constant(1, [], x), g.sqrt(g.offset(variance, epsilon)));
    return { whitened: g.mul(centred, inverse), inverse };
  });
  return [
    () => {
      const { whitened, inverse } = statistics();
      return whitenedGradient(g, g.mul(dy, g.reshape(scale, shape)), whitened, inverse, area);
    },
    () => g.reduceSum(g.mul(dy, statistics().whitened), axes),
    () => g.reduceSum(dy, axes),
  ];
};

export const normalization: Record<string, Rule> = {
  BatchNormalization,
  LayerNormalization,
  InstanceNormalization,
  LpNormalization,
  LRN,
  ...loss,
};
