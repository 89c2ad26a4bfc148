/** @file Classification losses on integer labels. */
import { ShapeError } from '../errors.ts';
import type { NumericArray } from '../evaluate/array.ts';
import { describeNode } from '../graph.ts';
import type { ValueType } from '../value.ts';
import { imageLayout } from './image-layout.ts';
import { type AttributeTable, type InferContext, type Operator, required } from './operator.ts';

type Reduction = 'none' | 'sum' | 'mean';

export interface LossAttributes {
  reduction: Reduction;
  /** Label of elements that do not count. */
  ignore_index: number | undefined;
}

const attributes: AttributeTable = {
  reduction: { kind: 'string', default: 'mean' },
  ignore_index: { kind: 'int' },
};

function inferLoss(context: InferContext): ValueType {
  const { dtype, shape } = required(context, 0);
  const labels = required(context, 1).shape;
  const weights = context.inputs[2]?.shape;
  const what = describeNode(context.node);
  const { reduction } = context.attributes as LossAttributes;
  const expected = [shape[0], ...shape.slice(2)];
  if (shape.length < 2 || labels.join() !== expected.join()) {
    throw new ShapeError(`${what} needs scores [N, C, ...] and labels [N, ...], not [${shape}] and [${labels}]`);
  }
  if (weights !== undefined && weights.join() !== `${shape[1]}`) {
    throw new ShapeError(`${what} needs ${shape[1]} class weights, not shape [${weights}]`);
  }
  if (!['none', 'sum', 'mean'].includes(reduction))
    throw new ShapeError(`${what} has the unknown reduction '${reduction}'`);
  return { dtype, shape: reduction === 'none' ? labels : [] };
}

/** −weight[label] · logProbability[label], reduced; the mean is weighted. */
function negativeLogLikelihood(
  { reduction, ignore_index: ignored }: LossAttributes,
  logProbabilities: NumericArray,
  labels: NumericArray,
  weights: NumericArray | undefined,
): NumericArray {
  const { channels, area } = imageLayout(logProbabilities.shape);
  const losses = new Float64Array(labels.data.length);
  let total = 0;
  let weightSum = 0;
  losses.forEach((_, i) => {
    const label = labels.data[i]!;
    if (label === ignored) return;
    const weight = weights?.data[label] ?? 1;
    const position = (Math.floor(i / area) * channels + label) * area + (i % area);
    losses[i] = -weight * logProbabilities.data[position]!;
    total += losses[i]!;
    weightSum += weight;
  });
  const { dtype } = logProbabilities;
  if (reduction === 'none') return { dtype, shape: labels.shape, data: losses };
  return { dtype, shape: [], data: Float64Array.of(reduction === 'sum' ? total : total / weightSum) };
}

function logSoftmax(scores: NumericArray): NumericArray {
  const { images, channels, area } = imageLayout(scores.shape);
  const data = new Float64Array(scores.data.length);
  for (let n = 0; n < images; n++) {
    for (let i = 0; i < area; i++) {
      const position = (c: number) => (n * channels + c) * area + i;
      let largest = Number.NEGATIVE_INFINITY;
      for (let c = 0; c < channels; c++) largest = Math.max(largest, scores.data[position(c)]!);
      let sum = 0;
      for (let c = 0; c < channels; c++) sum += Math.exp(scores.data[position(c)]! - largest);
      for (let c = 0; c < channels; c++) data[position(c)] = scores.data[position(c)]! - largest - Math.log(sum);
    }
  }
  return { ...scores, data };
}

const NegativeLogLikelihoodLoss: Operator = {
  attributes,
  infer: (context) => [inferLoss(context)],
  evaluate: ({ attributes, inputs }) => [
    negativeLogLikelihood(attributes as LossAttributes, inputs[0]!, inputs[1]!, inputs[2]),
  ],
};

const SoftmaxCrossEntropyLoss: Operator = {
  attributes,
  infer(context) {
    const { dtype, shape } = required(context, 0);
    return [inferLoss(context), { dtype, shape }].slice(0, Math.max(1, context.outputCount));
  },
  evaluate({ attributes, inputs, outputCount }) {
    const logProbabilities = logSoftmax(inputs[0]!);
    const loss = negativeLogLikelihood(attributes as LossAttributes, logProbabilities, inputs[1]!, inputs[2]);
    return [loss, logProbabilities].slice(0, Math.max(1, outputCount));
  },
};

export const loss: Record<string, Operator> = { NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss };
