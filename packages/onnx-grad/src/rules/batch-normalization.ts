/** @file Batch normalisation by given statistics (evaluation) and by those of the batch (training). */
import type { GraphBuilder } from '../builder.ts';
import { sizeOf } from '../graph.ts';
import { imageLayout } from '../operators/image-layout.ts';
import type { BatchNormalizationAttributes } from '../operators/normalization.ts';
import type { Value } from '../value.ts';
import { once } from './once.ts';
import type { Rule, RuleContext } from './rule.ts';

/** Axes that a channel of [N, C, ...] extends along, and the shape in which a vector over channels broadcasts. */
export function channelwise(x: Value) {
  const { channels } = imageLayout(x.shape);
  const axes = x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  const shape = x.shape.map((_, axis) => (axis === 1 ? channels : 1));
  return { axes, shape, channels };
}

/** Deviations from the mean of each channel, and vectors of mean and population variance. */
export function batchStatistics(g: GraphBuilder, x: Value) {
  const { axes, channels } = channelwise(x);
  const mean = g.reduceMean(x, axes, true);
  const centred = g.sub(x, mean);
  const variance = g.reduceMean(g.square(centred), axes, true);
  return { centred, mean: g.reshape(mean, [channels]), variance: g.reshape(variance, [channels]) };
}

/** x·factor + offset for each channel: one pass over x, where Mul and Add are two. */
function affine(g: GraphBuilder, x: Value, factor: Value, offset: Value): Value {
  const [zeros, ones] = [0, 1].map((number) => g.constant(number, factor.shape, x));
  return g.op('BatchNormalization', [x, factor, offset, zeros, ones], { epsilon: 0 });
}

function evaluationRule({ g, inputs, attributes, dy }: RuleContext) {
  const [x, scale, , mean, variance] = inputs as [Value, Value, Value, Value, Value];
  const { epsilon } = attributes as BatchNormalizationAttributes;
  const { axes, shape } = channelwise(x);
  const shifted = once(() => g.offset(variance, epsilon));
  const deviation = once(() => g.sqrt(shifted()));
  const factor = once(() => g.div(scale, deviation()));
  const total = once(() => g.reduceSum(dy, axes));
  const moment = once(() => g.reduceSum(g.mul(dy, g.sub(x, g.reshape(mean, shape))), axes));
  return [
    () => g.mul(dy, g.reshape(factor(), shape)),
    () => g.div(moment(), deviation()),
    total,
    () => g.neg(g.mul(total(), factor())),
    () => g.scale(g.div(g.mul(moment(), factor()), shifted()), -0.5),
  ];
}

/**
 * Through the batch statistics, recomputed here because providers disagree on what they save. With c = x − mean and
 * r = 1/√(variance + ε), over n elements a channel:  dx = scale·r·(dy − Σdy/n) − c·scale·r³·Σ(dy·c)/n.
 */
function trainingRule({ g, inputs, attributes, dys }: RuleContext) {
  const [x, scale, bias, runningMean, runningVariance] = inputs as [Value, Value, Value, Value, Value];
  const { epsilon, momentum } = attributes as BatchNormalizationAttributes;
  const { axes, shape, channels } = channelwise(x);
  const count = sizeOf(x.shape) / channels;
  const [dy, dMean, dVariance] = dys;
  const statistics = once(() => batchStatistics(g, x));
  const inverse = once(() => g.div(g.constant(1, [], x), g.sqrt(g.offset(statistics().variance, epsilon))));
  const total = once(() => (dy ? g.reduceSum(dy, axes) : g.zerosLike(bias)));
  const moment = once(() => (dy ? g.reduceSum(g.mul(dy, statistics().centred), axes) : g.zerosLike(scale)));
  return [
    () => {
      const parts: Value[] = [];
      if (dy !== undefined) {
        const factor = g.mul(scale, inverse());
        const pull = g.mul(g.mul(factor, g.square(inverse())), g.scale(moment(), -1 / count));
        parts.push(affine(g, dy, factor, g.mul(factor, g.scale(total(), -1 / count))));
        parts.push(g.mul(statistics().centred, g.reshape(pull, shape)));
      }
      if (dMean !== undefined) {
        parts.push(g.expand(g.reshape(g.scale(dMean, (1 - momentum) / count), shape), x.shape));
      }
      if (dVariance !== undefined) {
        const slope = g.scale(dVariance, (2 * (1 - momentum)) / count);
        parts.push(g.mul(statistics().centred, g.reshape(slope, shape)));
      }
      return g.sum(parts);
    },
    () => g.mul(moment(), inverse()),
    total,
    () => (dMean ? g.scale(dMean, momentum) : g.zerosLike(runningMean)),
    () => (dVariance ? g.scale(dVariance, momentum) : g.zerosLike(runningVariance)),
  ];
}

export const BatchNormalization: Rule = (context) =>
  (context.attributes as BatchNormalizationAttributes).training_mode ? trainingRule(context) : evaluationRule(context);
