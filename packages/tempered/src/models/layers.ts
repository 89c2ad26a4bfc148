/** @file The layers architectures are written with: each adds its nodes and freshly initialised parameters. */
import type { GraphBuilder, Value } from 'onnx-grad';
import type { Random } from '../random.ts';
import { sizeOf } from '../tensor.ts';

/** A network under construction. */
export interface Network {
  readonly g: GraphBuilder;
  /** Source of the initial weights; every layer draws from a stream named after itself. */
  readonly random: Random;
}

export interface ConvOptions {
  name: string;
  channels: number;
  kernel: number;
  stride?: number;
  /** Zeros on each side; default keeps the size at stride 1 for odd kernels. */
  pad?: number;
  bias?: boolean;
}

/** Convolution, weights He-normal with fan-in (He et al. 2015). [N, C, H, W] → [N, channels, H', W']. */
export function conv(
  net: Network,
  x: Value,
  { name, channels, kernel, stride = 1, pad = (kernel - 1) >> 1, bias = true }: ConvOptions,
): Value {
  const shape = [channels, x.shape[1]!, kernel, kernel];
  const inputs = [x, normal(net, `${name}.weight`, shape, Math.sqrt(2 / sizeOf(shape.slice(1))))];
  if (bias) inputs.push(filled(net, `${name}.bias`, [channels], 0));
  const y = net.g.op('Conv', inputs, {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: [pad, pad, pad, pad],
    dilations: [1, 1],
    group: 1,
  });
  return net.g.rename(y, name);
}

export interface DenseOptions {
  name: string;
  units: number;
  /** Factor on the He-normal weights; a last layer starts small so that the first losses are near chance. */
  gain?: number;
}

/** Fully connected layer. [N, features] → [N, units]. */
export function dense(net: Network, x: Value, { name, units, gain = 1 }: DenseOptions): Value {
  const features = x.shape[1]!;
  const weight = normal(net, `${name}.weight`, [units, features], gain * Math.sqrt(2 / features));
  const y = net.g.op('Gemm', [x, weight, filled(net, `${name}.bias`, [units], 0)], { transB: 1 });
  return net.g.rename(y, name);
}

/** Batch normalisation in evaluation form; training rewrites it to use the statistics of the batch. */
export function batchNorm(net: Network, x: Value, name: string): Value {
  const channels = [x.shape[1]!];
  const parameters = [
    filled(net, `${name}.weight`, channels, 1),
    filled(net, `${name}.bias`, channels, 0),
    filled(net, `${name}.running_mean`, channels, 0),
    filled(net, `${name}.running_var`, channels, 1),
  ];
  return net.g.rename(net.g.op('BatchNormalization', [x, ...parameters], { epsilon: 1e-5, momentum: 0.9 }), name);
}

export function relu(net: Network, x: Value, name: string): Value {
  return net.g.rename(net.g.relu(x), name);
}

export function maxPool(net: Network, x: Value, name: string): Value {
  return net.g.rename(net.g.op('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] }), name);
}

/** [N, C, H, W] → [N, C]. */
export function globalAveragePool(net: Network, x: Value, name: string): Value {
  return net.g.rename(net.g.op('Flatten', [net.g.op('GlobalAveragePool', [x])], { axis: 1 }), name);
}

export function flatten(net: Network, x: Value, name: string): Value {
  return net.g.rename(net.g.op('Flatten', [x], { axis: 1 }), name);
}

function normal(net: Network, name: string, shape: readonly number[], deviation: number): Value {
  const data = new Float32Array(sizeOf(shape));
  net.random.split(name).fillNormal(data, 0, deviation);
  return net.g.parameter(name, { dtype: 'float32', shape, data });
}

function filled(net: Network, name: string, shape: readonly number[], value: number): Value {
  return net.g.parameter(name, { dtype: 'float32', shape, data: new Float32Array(sizeOf(shape)).fill(value) });
}
