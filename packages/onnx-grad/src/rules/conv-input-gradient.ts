/** @file The adjoint of a convolution in its input, written as a convolution of the output's cotangent. */
import type { GraphBuilder } from '../builder.ts';
import type { Convolution } from '../operators/convolution.ts';
import { windowExtent } from '../operators/window.ts';
import type { Value } from '../value.ts';
import { interleave, spatialWindow } from './phases.ts';

/**
 * Gradient [N, C, ...image] of a convolution's input, from the cotangent `dy` [N, O, ...] and `weight` [O, C / group, ...].
 * Never a ConvTranspose in groups or of three axes: WebGPU computes the one wrongly and refuses the other.
 */
export function convInputGradient(g: GraphBuilder, dy: Value, weight: Value, convolution: Convolution): Value {
  const transposed = transposeChannels(g, weight, convolution.group);
  return convolution.window.strides.every((stride) => stride === 1)
    ? unitStride(g, dy, transposed, convolution)
    : subPixel(g, dy, transposed, convolution);
}

/** [O, C / group, ...] → [C, O / group, ...]: the weight of the convolution that goes back. */
function transposeChannels(g: GraphBuilder, weight: Value, group: number): Value {
  const [outputs = 0, inputs = 0, ...kernel] = weight.shape;
  const spatial = kernel.map((_, axis) => axis + 3);
  const grouped = g.reshape(weight, [group, outputs / group, inputs, ...kernel]);
  return g.reshape(g.transpose(grouped, [0, 2, 1, ...spatial]), [group * inputs, outputs / group, ...kernel]);
}

/** A convolution with the flipped weight. */
function unitStride(g: GraphBuilder, dy: Value, weight: Value, { window, group, image }: Convolution): Value {
  const { kernel, dilations, before } = window;
  const flipped = g.reverse(
    weight,
    kernel.map((_, axis) => axis + 2),
  );
  const reach = kernel.map((taps, axis) => windowExtent(taps, dilations[axis]!) - 1);
  const front = reach.map((r, axis) => r - before[axis]!);
  return convolve(g, dy, flipped, front, image, dilations, group);
}

/** Σ over taps m of weight[m] · dy[i − front + m · dilation], for positions i of `length`. */
function convolve(
  g: GraphBuilder,
  dy: Value,
  weight: Value,
  front: readonly number[],
  length: readonly number[],
  dilations: readonly number[],
  group: number,
): Value {
  const reach = weight.shape.slice(2).map((taps, axis) => windowExtent(taps, dilations[axis]!) - 1);
  const spatial = dy.shape.slice(2);
  const back = spatial.map((size, axis) => length[axis]! + reach[axis]! - front[axis]! - size);
  // Conv takes no negative pads: crop instead.
  const kept = spatial.map((size, axis) => size + Math.min(0, back[axis]!) + Math.min(0, front[axis]!));
  const cropped = spatialWindow(
    g,
    dy,
    front.map((f) => Math.max(0, -f)),
    kept,
  );
  const pads = [...front, ...back].map((pad) => Math.max(0, pad));
  return g.op('Conv', [cropped, weight], { kernel_shape: weight.shape.slice(2), pads, dilations, group });
}

/**
 * For a stride s, position u = q · s + φ of the padded input meets only the taps t with t · dilation ≡ φ (mod s): one
 * small convolution gives all phases φ as channels, which are then interleaved (Shi et al. 2016, arXiv:1609.07009).
 */
function subPixel(g: GraphBuilder, dy: Value, weight: Value, { window, group, image }: Convolution): Value {
  const { kernel, strides, dilations, before } = window;
  const axes = kernel.map((taps, axis) => phaseTaps(taps, strides[axis]!, dilations[axis]!));
  const counts = axes.map(({ taps }) => taps.length);
  const widths = axes.map(({ taps }) => taps[0]!.length);
  const [channels = 0, perGroup = 0] = weight.shape;
  const rank = kernel.length;

  let phases = g.pad(
    weight,
    weight.shape.map(() => 0),
    [0, 0, ...kernel.map(() => 1)],
  );
  // Axis a of the kernel becomes two: phase and tap.
  axes.forEach(({ taps }, axis) => {
    phases = g.gather(phases, g.integers(taps.flat(), [taps.length, widths[axis]!]), 2 + 2 * axis);
  });
  const order = [0, ...kernel.map((_, axis) => 2 + 2 * axis), 1, ...kernel.map((_, axis) => 3 + 2 * axis)];
  const count = counts.reduce((a, b) => a * b, 1);
  const filters = g.reshape(g.transpose(phases, order), [channels * count, perGroup, ...widths]);

  const quotients = image.map((length, axis) => Math.ceil((length + before[axis]!) / strides[axis]!));
  const front = widths.map((width) => width - 1);
  const parts = convolve(
    g,
    dy,
    filters,
    front,
    quotients,
    kernel.map(() => 1),
    group,
  );
  const split = g.reshape(parts, [parts.shape[0]!, channels, ...counts, ...quotients]);
  const stacked = g.transpose(split, [
    0,
    ...counts.map((_, axis) => 2 + axis),
    1,
    ...quotients.map((_, axis) => 2 + rank + axis),
  ]);
  const whole = interleave(
    g,
    stacked,
    strides,
    axes.map(({ first }) => first),
  );
  return spatialWindow(g, whole, before, image);
}

interface PhaseTaps {
  /** The first phase that any tap belongs to. */
  first: number;
  /** For each phase from there to the last with taps: the taps that meet dy[q − width + 1], ..., dy[q]; `kernel` = none. */
  taps: number[][];
}

function phaseTaps(kernel: number, stride: number, dilation: number): PhaseTaps {
  const used = Array.from({ length: kernel }, (_, tap) => (tap * dilation) % stride);
  const first = Math.min(...used);
  const width = Math.floor(((kernel - 1) * dilation) / stride) + 1;
  const taps = Array.from({ length: Math.max(...used) - first + 1 }, (_, index) =>
    Array.from({ length: width }, (_, m) => {
      const tap = ((width - 1 - m) * stride + first + index) / dilation;
      return Number.isInteger(tap) && tap < kernel ? tap : kernel;
    }),
  );
  return { first, taps };
}
