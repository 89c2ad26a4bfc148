/** @file Gradients of operators that subtract a mean and divide by a deviation. */
import type { GraphBuilder } from '../builder.ts';
import { sizeOf } from '../graph.ts';
import { imageLayout } from '../operators/image-layout.ts';
import type {
  BatchNormalizationAttributes,
  InstanceNormalizationAttributes,
  LayerNormalizationAttributes,
} from '../operators/normalization.ts';
import { normalizeAxis } from '../operators/operator.ts';
import type { Value } from '../value.ts';
import { LRN } from './local-response.ts';
import { loss } from './loss.ts';
import { LpNormalization } from './lp-normalization.ts';
import { once } from './once.ts';
import type { Rule, RuleContext } from './rule.ts';

/** Axes and shapes of an array [N, C, ...] whose channels are normalised. */
function channelwise(x: Value) {
  const { channels } = imageLayout(x.shape);
  const axes = x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  const shape = x.shape.map((_, axis) => (axis === 1 ? channels : 1));
  return { axes, shape, channels };
}

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

function evaluationBatchNormalization({ g, inputs, attributes, dy }: RuleContext) {
  const [x, scale, , mean, variance] = inputs as [Value, Value, Value, Value, Value];
  const { epsilon } = attributes as BatchNormalizationAttributes;
  const { axes, shape } = channelwise(x);
  const offsetVariance = g.offset(variance, epsilon);
  const deviation = once(() => g.sqrt(offsetVariance));
  const factor = once(() => g.div(scale, deviation()));
  const total = once(() => g.reduceSum(dy, axes));
  const moment = once(() => g.reduceSum(g.mul(dy, g.sub(x, g.reshape(mean, shape))), axes));
  return [
    () => g.mul(dy, g.reshape(factor(), shape)),
    () => g.div(moment(), deviation()),
    total,
    () => g.neg(g.mul(total(), factor())),
    () => g.scale(g.div(g.mul(moment(), factor()), offsetVariance), -0.5),
  ];
}

/** Through the batch statistics, recomputed here because providers disagree on what they save. */
function trainingBatchNormalization({ g, inputs, attributes, dy, dys }: RuleContext) {
  const [x, scale] = inputs as [Value, Value];
  const { epsilon, momentum } = attributes as BatchNormalizationAttributes;
  const { axes, shape, channels } = channelwise(x);
  const count = sizeOf(x.shape) / channels;
  const centred = once(() => g.sub(x, g.reduceMean(x, axes, true)));
  const inverse = once(() => {
    const variance = g.reduceMean(g.square(centred()), axes, true);
    return g.div(g.constant(1, [], x), g.sqrt(g.offset(variance, epsilon)));
  });
  const whitened = once(() => g.mul(centred(), inverse()));
  const total = once(() => g.reduceSum(dy, axes));
  const projection = once(() => g.reduceSum(g.mul(dy, whitened()), axes));
  return [
    () => {
      const parts: Value[] = [];
      if (dys[0] !== undefined) {
        // The means of the cotangent are the gradients of bias and scale over the count: written so, they are shared.
        const mean = g.reshape(g.scale(total(), 1 / count), shape);
        const along = g.mul(whitened(), g.reshape(g.scale(projection(), 1 / count), shape));
        const factor = g.mul(g.reshape(scale, shape), inverse());
        parts.push(g.mul(g.sub(g.sub(dy, mean), along), factor));
      }
      if (dys[1] !== undefined) {
        parts.push(g.expand(g.reshape(g.scale(dys[1], (1 - momentum) / count), shape), x.shape));
      }
      if (dys[2] !== undefined) {
        parts.push(g.mul(centred(), g.reshape(g.scale(dys[2], (2 * (1 - momentum)) / count), shape)));
      }
      return g.sum(parts);
    },
    projection,
    total,
    () => (dys[1] ? g.scale(dys[1], momentum) : g.zerosLike(inputs[3]!)),
    () => (dys[2] ? g.scale(dys[2], momentum) : g.zerosLike(inputs[4]!)),
  ];
}

const BatchNormalization: Rule = (context) =>
  (context.attributes as BatchNormalizationAttributes).training_mode
    ? trainingBatchNormalization(context)
    : evaluationBatchNormalization(context);

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
