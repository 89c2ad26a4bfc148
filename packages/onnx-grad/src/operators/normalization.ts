/** @file Operators that subtract a mean and divide by a deviation. */
import { ShapeError } from '../errors.ts';
import type { NumericArray } from '../evaluate/array.ts';
import { describeNode, sizeOf } from '../graph.ts';
import { imageLayout } from './image-layout.ts';
import { LRN } from './local-response.ts';
import { loss } from './loss.ts';
import { LpNormalization } from './lp-normalization.ts';
import { broadcastShapes, type InferContext, likeInput, normalizeAxis, type Operator, required } from './operator.ts';

export interface BatchNormalizationAttributes {
  epsilon: number;
  momentum: number;
  training_mode: number;
}

export interface InstanceNormalizationAttributes {
  epsilon: number;
}

export interface LayerNormalizationAttributes {
  axis: number;
  epsilon: number;
}

interface Moments {
  mean: number;
  /** Population variance: the divisor is the number of elements. */
  variance: number;
}

/** Mean and variance of the elements `at(0) ... at(count - 1)`. */
function moments(count: number, at: (index: number) => number): Moments {
  let mean = 0;
  for (let i = 0; i < count; i++) mean += at(i);
  mean /= count;
  let variance = 0;
  for (let i = 0; i < count; i++) variance += (at(i) - mean) ** 2;
  return { mean, variance: variance / count };
}

/** Throws unless each of the inputs listed has one element a channel. */
function requirePerChannel(context: InferContext, indices: readonly number[]): void {
  const { shape } = required(context, 0);
  const { channels } = imageLayout(shape);
  for (const index of indices) {
    const own = required(context, index).shape;
    if (own.length === 1 && own[0] === channels) continue;
    throw new ShapeError(
      `input ${index} of ${describeNode(context.node)} has shape [${own}], but data of shape [${shape}] need [${channels}]`,
    );
  }
}

const BatchNormalization: Operator = {
  attributes: {
    epsilon: { kind: 'float', default: 1e-5 },
    momentum: { kind: 'float', default: 0.9 },
    training_mode: { kind: 'int', default: 0 },
  },
  infer(context) {
    const { dtype, shape } = required(context, 0);
    requirePerChannel(context, [1, 2, 3, 4]);
    const mean = required(context, 3);
    const variance = required(context, 4);
    return [
      { dtype, shape },
      { dtype: mean.dtype, shape: mean.shape },
      { dtype: variance.dtype, shape: variance.shape },
    ].slice(0, Math.max(1, context.outputCount));
  },
  evaluate({ attributes, inputs, outputCount }) {
    const { epsilon, momentum, training_mode: training } = attributes as BatchNormalizationAttributes;
    const [x, scale, bias, mean, variance] = inputs as NumericArray[];
    const { images, channels, area } = imageLayout(x!.shape);
    const y = new Float64Array(x!.data.length);
    const runningMean = new Float64Array(channels);
    const runningVariance = new Float64Array(channels);
    for (let c = 0; c < channels; c++) {
      const position = (i: number) => (Math.floor(i / area) * channels + c) * area + (i % area);
      const given: Moments = { mean: mean!.data[c]!, variance: variance!.data[c]! };
      const used = training ? moments(images * area, (i) => x!.data[position(i)]!) : given;
      runningMean[c] = momentum * given.mean + (1 - momentum) * used.mean;
      runningVariance[c] = momentum * given.variance + (1 - momentum) * used.variance;
      const factor = scale!.data[c]! / Math.sqrt(used.variance + epsilon);
      for (let i = 0; i < images * area; i++) {
        y[position(i)] = (x!.data[position(i)]! - used.mean) * factor + bias!.data[c]!;
      }
    }
    return [
      { ...x!, data: y },
      { ...mean!, data: runningMean },
      { ...variance!, data: runningVariance },
    ].slice(0, Math.max(1, outputCount));
  },
};

const LayerNormalization: Operator = {
  attributes: {
    axis: { kind: 'int', default: -1 },
    epsilon: { kind: 'float', default: 1e-5 },
    stash_type: { kind: 'int', default: 1 },
  },
  infer(context) {
    const { dtype, shape } = required(context, 0);
    const what = describeNode(context.node);
    const axis = normalizeAxis((context.attributes as LayerNormalizationAttributes).axis, shape.length, what);
    const normalized = shape.slice(axis);
    for (const parameter of [required(context, 1), context.inputs[2]]) {
      if (parameter === undefined) continue;
      if (broadcastShapes([normalized, parameter.shape], what).join() !== normalized.join()) {
        throw new ShapeError(
          `${what} normalises [${normalized}], which a parameter of shape [${parameter.shape}] does not fit`,
        );
      }
    }
    const statistics = { dtype, shape: shape.map((dimension, i) => (i < axis ? dimension : 1)) };
    return [{ dtype, shape }, statistics, statistics].slice(0, Math.max(1, context.outputCount));
  },
  evaluate({ attributes, inputs, outputCount }) {
    const { axis, epsilon } = attributes as LayerNormalizationAttributes;
    const [x, scale, bias] = inputs as [NumericArray, NumericArray, NumericArray | undefined];
    const first = normalizeAxis(axis, x.shape.length, 'LayerNormalization');
    const normalized = x.shape.slice(first);
    const width = sizeOf(normalized);
    const rows = sizeOf(x.shape.slice(0, first));
    const scales = broadcastTo(scale, normalized);
    const biases = bias && broadcastTo(bias, normalized);
    const y = new Float64Array(x.data.length);
    const means = new Float64Array(rows);
    const inverses = new Float64Array(rows);
    for (let row = 0; row < rows; row++) {
      const { mean, variance } = moments(width, (i) => x.data[row * width + i]!);
      const inverse = 1 / Math.sqrt(variance + epsilon);
      means[row] = mean;
      inverses[row] = inverse;
      for (let i = 0; i < width; i++) {
        y[row * width + i] = (x.data[row * width + i]! - mean) * inverse * scales[i]! + (biases?.[i] ?? 0);
      }
    }
    const statistics = { dtype: x.dtype, shape: x.shape.map((dimension, i) => (i < first ? dimension : 1)) };
    return [
      { ...x, data: y },
      { ...statistics, data: means },
      { ...statistics, data: inverses },
    ].slice(0, Math.max(1, outputCount));
  },
};

const InstanceNormalization: Operator = {
  attributes: { epsilon: { kind: 'float', default: 1e-5 } },
  infer(context) {
    requirePerChannel(context, [1, 2]);
    return [likeInput(context)];
  },
  evaluate({ attributes, inputs }) {
    const { epsilon } = attributes as InstanceNormalizationAttributes;
    const [x, scale, bias] = inputs as [NumericArray, NumericArray, NumericArray];
    const { images, channels, area } = imageLayout(x.shape);
    const y = new Float64Array(x.data.length);
    for (let plane = 0; plane < images * channels; plane++) {
      const c = plane % channels;
      const { mean, variance } = moments(area, (i) => x.data[plane * area + i]!);
      const factor = scale.data[c]! / Math.sqrt(variance + epsilon);
      for (let i = plane * area; i < (plane + 1) * area; i++) y[i] = (x.data[i]! - mean) * factor + bias.data[c]!;
    }
    return [{ ...x, data: y }];
  },
};

/** The elements of an array repeated to `shape`, which it broadcasts to. */
function broadcastTo(array: NumericArray, shape: readonly number[]): Float64Array {
  const offset = shape.length - array.shape.length;
  const strides: number[] = new Array(shape.length).fill(0);
  let stride = 1;
  for (let axis = array.shape.length - 1; axis >= 0; axis--) {
    if (array.shape[axis] !== 1) strides[axis + offset] = stride;
    stride *= array.shape[axis]!;
  }
  return Float64Array.from({ length: sizeOf(shape) }, (_, flat) => {
    let rest = flat;
    let index = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index += (rest % shape[axis]!) * strides[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    return array.data[index]!;
  });
}

export const normalization: Record<string, Operator> = {
  BatchNormalization,
  LayerNormalization,
  InstanceNormalization,
  LpNormalization,
  LRN,
  ...loss,
};
