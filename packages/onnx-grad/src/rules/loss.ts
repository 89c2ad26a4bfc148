/** @file Gradients of classification losses on integer labels. */
import type { LossAttributes } from '../operators/loss.ts';
import type { Value } from '../value.ts';
import { once } from './once.ts';
import type { Rule, RuleContext } from './rule.ts';

/** What both losses need, along the class axis 1. */
function lossTerms({ g, inputs, attributes, dy, has, outputs }: RuleContext) {
  const [scores, labels, weights] = inputs as [Value, Value, Value];
  const { reduction, ignore_index: ignored } = attributes as LossAttributes;
  const classes = scores.shape[1]!;
  const perClass = scores.shape.map((_, axis) => (axis === 1 ? classes : 1));
  const allAxes = scores.shape.map((_, axis) => axis);

  /** The labels as 0 and 1, [N, C, ...]. An ignored label is a row of zeros: its class, if any, is compared with −1. */
  const hot = once(() => {
    const numbers = Array.from({ length: classes }, (_, c) => (c === ignored ? -1 : c));
    return g.cast(g.equal(g.unsqueeze(labels, [1]), g.constant(numbers, perClass, labels)), scores.dtype);
  });
  const weightedHot = once(() => (has(2) ? g.mul(hot(), g.reshape(weights, perClass)) : hot()));
  /** Weight of each label, [N, 1, ...]; undefined when all are 1. */
  const elementWeights = once(() => {
    return has(2) || ignored !== undefined ? g.reduceSum(weightedHot(), [1], true) : undefined;
  });
  /** Cotangent of each unweighted loss, [N, 1, ...] or a scalar. */
  const factor = once(() => {
    if (reduction === 'none') return g.unsqueeze(dy, [1]);
    if (reduction === 'sum') return dy;
    const sum = elementWeights();
    if (sum === undefined) return g.scale(dy, 1 / labels.shape.reduce((count, dimension) => count * dimension, 1));
    return g.div(dy, g.reduceSum(sum, allAxes));
  });
  const weightGradient = (logProbabilities: Value) => {
    const losses = g.neg(logProbabilities);
    const excess = reduction === 'mean' ? g.sub(losses, outputs[0]!) : losses;
    const axes = allAxes.filter((axis) => axis !== 1);
    return g.reduceSum(g.mul(hot(), g.mul(excess, factor())), axes);
  };
  return { weightedHot, elementWeights, factor, weightGradient };
}

const NegativeLogLikelihoodLoss: Rule = (context) => {
  const { g, inputs } = context;
  const { weightedHot, factor, weightGradient } = lossTerms(context);
  return [() => g.neg(g.mul(weightedHot(), factor())), undefined, () => weightGradient(inputs[0]!)];
};

/** The gradient by the scores is (softmax · weight − weighted one-hot), times the cotangent of each loss. */
const SoftmaxCrossEntropyLoss: Rule = (context) => {
  const { g, inputs, dys } = context;
  const { weightedHot, elementWeights, factor, weightGradient } = lossTerms(context);
  const scores = inputs[0]!;
  const probabilities = once(() => g.op('Softmax', [scores], { axis: 1 }));
  return [
    () => {
      const parts: Value[] = [];
      if (dys[0] !== undefined) {
        const weights = elementWeights();
        const expected = weights === undefined ? probabilities() : g.mul(probabilities(), weights);
        parts.push(g.mul(g.sub(expected, weightedHot()), factor()));
      }
      if (dys[1] !== undefined) {
        parts.push(g.sub(dys[1], g.mul(probabilities(), g.reduceSum(dys[1], [1], true))));
      }
      return g.sum(parts);
    },
    undefined,
    () => {
      const largest = g.reduceMax(scores, [1], true);
      const shifted = g.sub(scores, largest);
      return weightGradient(g.sub(shifted, g.log(g.reduceSum(g.exp(shifted), [1], true))));
    },
  ];
};

export const loss: Record<string, Rule> = { NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss };
