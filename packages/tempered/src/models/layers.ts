/** @file The layers architectures are written with: each adds its nodes and freshly initialised parameters. */
import type { GraphBuilder, Value } from 'onnx-grad';
import type { Random } from '../random.ts';
import { sizeOf } from '../tensor.ts';
import { type Fan, heNormal, type Initializer } from './initializers.ts';
import { preprocessingName } from './load.ts';

/** A network under construction. */
export interface Network {
  readonly g: GraphBuilder;
  /** Source of the initial weights; every layer draws from a stream named after itself. */
  readonly random: Random;
}

interface LayerOptions {
  name: string;
  bias?: boolean;
  /** Of the weights; default He-normal. */
  initial?: Initializer;
  /** Value of every bias at the start; default 0. */
  initialBias?: number;
}

export interface ConvOptions extends LayerOptions {
  channels: number;
  kernel: number;
  stride?: number;
  /**
   * Zeros on each side, or as many as TensorFlow's SAME takes (see `samePads`); default keeps the size at stride 1 for
   * odd kernels.
   */
  pad?: number | 'same';
  /** What the weight goes through before it is used, such as spectral normalisation. */
  rescale?: (weight: Value, apply: (image: Value) => Value) => Value;
}

/** Convolution. [N, C, H, W] → [N, channels, H', W']. */
export function conv(net: Network, x: Value, options: ConvOptions): Value {
  const { name, channels, kernel, stride = 1, pad = (kernel - 1) >> 1, bias = true, initialBias = 0 } = options;
  const inputChannels = x.shape[1]!;
  const fan = { in: inputChannels * kernel ** 2, out: channels * kernel ** 2 };
  const kernels = weight(net, `${name}.weight`, [channels, inputChannels, kernel, kernel], fan, options.initial);
  const attributes = {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: pad === 'same' ? samePads(x.shape.slice(2), kernel, stride) : [pad, pad, pad, pad],
    dilations: [1, 1],
    group: 1,
  };
  const scaled = options.rescale?.(kernels, (image) => net.g.op('Conv', [image, kernels], attributes)) ?? kernels;
  const inputs = bias ? [x, scaled, filled(net, `${name}.bias`, [channels], initialBias)] : [x, scaled];
  return net.g.rename(net.g.op('Conv', inputs, attributes), name);
}

export interface DeconvOptions extends LayerOptions {
  channels: number;
  kernel: number;
  stride?: number;
  /** SAME: `stride` times as large. VALID: as large as whatever a kernel of one input pixel touches. As in TensorFlow. */
  pad: 'same' | 'valid';
}

/** Transposed convolution. [N, C, H, W] → [N, channels, H', W']. */
export function deconv(net: Network, x: Value, options: DeconvOptions): Value {
  const { name, channels, kernel, stride = 1, pad, bias = true, initialBias = 0 } = options;
  const inputChannels = x.shape[1]!;
  const fan = { in: inputChannels * kernel ** 2, out: channels * kernel ** 2 };
  const inputs = [x, weight(net, `${name}.weight`, [inputChannels, channels, kernel, kernel], fan, options.initial)];
  if (bias) inputs.push(filled(net, `${name}.bias`, [channels], initialBias));
  const sizes = x.shape.slice(2).map((size) => size * stride);
  const y = net.g.op('ConvTranspose', inputs, {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: pad === 'same' ? samePads(sizes, kernel, stride) : [0, 0, 0, 0],
    dilations: [1, 1],
    group: 1,
  });
  return net.g.rename(y, name);
}

/**
 * Zeros at the beginning of each axis, then at the end, with which a window of this stride fits ⌈size / stride⌉ times:
 * the SAME padding of TensorFlow. An odd number of zeros puts the odd one at the end.
 */
export function samePads(sizes: readonly number[], kernel: number, stride: number): number[] {
  const totals = sizes.map((size) => Math.max(0, (Math.ceil(size / stride) - 1) * stride + kernel - size));
  return [...totals.map((total) => total >> 1), ...totals.map((total) => total - (total >> 1))];
}

export interface DenseOptions extends LayerOptions {
  units: number;
  /** Factor on the He-normal weights; a last layer starts small so that the first losses are near chance. */
  gain?: number;
}

/** Fully connected layer. [N, features] → [N, units]. */
export function dense(
  net: Network,
  x: Value,
  { name, units, gain = 1, bias = true, initial = heNormal(gain), initialBias = 0 }: DenseOptions,
): Value {
  const features = x.shape[1]!;
  const inputs = [x, weight(net, `${name}.weight`, [units, features], { in: features, out: units }, initial)];
  if (bias) inputs.push(filled(net, `${name}.bias`, [units], initialBias));
  return net.g.rename(net.g.op('Gemm', inputs, { transB: 1 }), name);
}

export interface BatchNormOptions {
  /** Added to the variance. Default 1e-5. */
  epsilon?: number;
  /** Share that a running statistic keeps at each step. Default 0.9. */
  momentum?: number;
}

/** Batch normalisation in evaluation form; training rewrites it to use the statistics of the batch. */
export function batchNorm(
  net: Network,
  x: Value,
  name: string,
  { epsilon = 1e-5, momentum = 0.9 }: BatchNormOptions = {},
): Value {
  const channels = [x.shape[1]!];
  const parameters = [
    filled(net, `${name}.weight`, channels, 1),
    filled(net, `${name}.bias`, channels, 0),
    filled(net, `${name}.running_mean`, channels, 0),
    filled(net, `${name}.running_var`, channels, 1),
  ];
  return net.g.rename(net.g.op('BatchNormalization', [x, ...parameters], { epsilon, momentum }), name);
}

export function relu(net: Network, x: Value, name: string): Value {
  return net.g.rename(net.g.relu(x), name);
}

/** The largest of each 2×2 square. */
export function maxPool(net: Network, x: Value, name: string): Value {
  return net.g.rename(net.g.op('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] }), name);
}

/** Means of squares that lie side by side; rows and columns that do not fill one are left out. */
export function averagePool(net: Network, x: Value, name: string, size = 2): Value {
  return net.g.rename(net.g.op('AveragePool', [x], { kernel_shape: [size, size], strides: [size, size] }), name);
}

/** [N, C, H, W] → [N, C]. */
export function globalAveragePool(net: Network, x: Value, name: string): Value {
  return net.g.rename(net.g.op('Flatten', [net.g.op('GlobalAveragePool', [x])], { axis: 1 }), name);
}

export function flatten(net: Network, x: Value, name: string): Value {
  return net.g.rename(net.g.op('Flatten', [x], { axis: 1 }), name);
}

/** Pixels from [0, 1] to [−1, 1]. The constants count as preprocessing: training leaves them alone. */
export function toSignedRange(net: Network, x: Value): Value {
  const half = (kind: string) => filled(net, preprocessingName(`signed.${kind}`), [1, 1, 1, 1], 0.5);
  return net.g.rename(net.g.div(net.g.sub(x, half('mean')), half('std')), 'signed_pixels');
}

function weight(
  net: Network,
  name: string,
  shape: readonly number[],
  fan: Fan,
  initial: Initializer = heNormal(),
): Value {
  const data = new Float32Array(sizeOf(shape));
  initial(data, net.random.split(name), fan);
  return net.g.parameter(name, { dtype: 'float32', shape, data });
}

function filled(net: Network, name: string, shape: readonly number[], value: number): Value {
  return net.g.parameter(name, { dtype: 'float32', shape, data: new Float32Array(sizeOf(shape)).fill(value) });
}
