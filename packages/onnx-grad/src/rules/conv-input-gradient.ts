/** @file The adjoint of a convolution in its input. */
import type { GraphBuilder } from '../builder.ts';
import { sizeOf } from '../graph.ts';
import type { Convolution } from '../operators/convolution.ts';
import { windowExtent } from '../operators/window.ts';
import type { Value } from '../value.ts';
import { interleave, positions, spatialWindow } from './phases.ts';

/** With fewer image channels than this, Conv wastes most of its vector lanes and ConvTranspose is 2 to 6 times faster. */
const FEW_CHANNELS = 16;

/**
 * Gradient [N, C, ...image] of a convolution's input, from the cotangent `dy` [N, O, ...] and `weight` [O, C / group, ...].
 *
 * Strided convolutions, and those from few channels, go back by ConvTranspose, the fastest form measured. WebGPU
 * computes that wrongly in groups and refuses it with three axes: there, one convolution of stride 1 for each phase of
 * the stride takes its place. With stride 1 this is the convolution with the flipped weight, the fastest form.
 */
export function convInputGradient(g: GraphBuilder, dy: Value, weight: Value, convolution: Convolution): Value {
  const { window, group, image } = convolution;
  const favourable = window.strides.some((stride) => stride > 1) || weight.shape[1]! < FEW_CHANNELS;
  return favourable && group === 1 && image.length <= 2
    ? transposedConvolution(g, dy, weight, convolution)
    : byPhases(g, dy, transposeChannels(g, weight, group), convolution);
}

function transposedConvolution(g: GraphBuilder, dy: Value, weight: Value, { window, image }: Convolution): Value {
  const { kernel, strides, dilations, before, output } = window;
  // What no window reads: it becomes output_padding, which has to be smaller than the stride.
  const rest = image.map((length, axis) => {
    const read = (output[axis]! - 1) * strides[axis]! + windowExtent(kernel[axis]!, dilations[axis]!) - before[axis]!;
    return length - read;
  });
  const extra = rest.map((length, axis) => Math.min(Math.max(0, length), strides[axis]! - 1));
  const after = rest.map((length) => Math.max(0, -length));
  const pads = [...before, ...after];
  const dx = g.op('ConvTranspose', [dy, weight], {
    kernel_shape: kernel,
    strides,
    dilations,
    pads,
    output_padding: extra,
  });
  return spatialWindow(
    g,
    dx,
    image.map(() => 0),
    image,
  );
}

/** [O, C / group, ...] → [C, O / group, ...]: the weight of the convolution that goes back. */
function transposeChannels(g: GraphBuilder, weight: Value, group: number): Value {
  const [outputs = 0, inputs = 0, ...kernel] = weight.shape;
  const spatial = kernel.map((_, axis) => axis + 3);
  const grouped = g.reshape(weight, [group, outputs / group, inputs, ...kernel]);
  return g.reshape(g.transpose(grouped, [0, 2, 1, ...spatial]), [group * inputs, outputs / group, ...kernel]);
}

/**
 * Input position q · stride + φ meets only the taps t with t · dilation ≡ φ + before (mod stride): each phase φ is a
 * convolution of stride 1 with those taps in reverse order. For stride 1 there is one phase, and all taps are in it.
 */
function byPhases(g: GraphBuilder, dy: Value, weight: Value, { window, group, image }: Convolution): Value {
  const { kernel, strides, dilations, before } = window;
  const [channels = 0, perGroup = 0] = weight.shape;
  const flat = g.reshape(weight, [channels, perGroup, sizeOf(kernel)]);
  const lengths = image.map((length, axis) => Math.ceil(length / strides[axis]!));
  const axes = kernel.map((taps, axis) =>
    // Phases beyond the image hold nothing.
    Array.from({ length: Math.min(strides[axis]!, image[axis]!) }, (_, φ) =>
      tapsOfPhase(φ + before[axis]!, taps, strides[axis]!, dilations[axis]!),
    ),
  );
  const whole = interleave(
    g,
    axes.map((list) => list.length),
    (phases) => {
      const chosen = phases.map((φ, axis) => axes[axis]![φ]!);
      if (chosen.some(({ taps }) => taps.length === 0)) return undefined;
      const counts = chosen.map(({ taps }) => taps.length);
      const indices = positions(counts).map((position) =>
        position.reduce((index, i, axis) => index * kernel[axis]! + chosen[axis]!.taps[i]!, 0),
      );
      const filters = g.reshape(selectTaps(g, flat, indices), [channels, perGroup, ...counts]);
      const steps = chosen.map(({ dilation }) => dilation);
      const front = chosen.map(({ front }) => front);
      return convolve(g, dy, filters, front, lengths, steps, group);
    },
  );
  return spatialWindow(
    g,
    whole!,
    image.map(() => 0),
    image,
  );
}

interface Phase {
  /** Taps in the order in which they meet rising positions of dy. */
  taps: readonly number[];
  /** The first tap meets dy[q − front], the next dy[q − front + dilation]. */
  front: number;
  dilation: number;
}

/** The taps that reach position q · stride + `offset` of the padded input. */
function tapsOfPhase(offset: number, kernel: number, stride: number, dilation: number): Phase {
  const all = Array.from({ length: kernel }, (_, i) => kernel - 1 - i);
  const taps = all.filter((tap) => (offset - tap * dilation) % stride === 0);
  const [last = 0, next = last - 1] = taps;
  return {
    taps,
    front: (last * dilation - offset) / stride,
    dilation: taps.length > 1 ? ((last - next) * dilation) / stride : 1,
  };
}

/**
 * weight[..., taps], for a weight [C, O / group, taps]. At run time by a product with zeros and ones: Gather copies one
 * number at a time here, which made a deep layer's gradient half as fast, and WebGPU gets Slice with negative steps wrong.
 */
function selectTaps(g: GraphBuilder, weight: Value, taps: readonly number[]): Value {
  const count = weight.shape[2]!;
  if (taps.length === count && taps.every((tap, i) => tap === i)) return weight;
  if (weight.constant !== undefined) return g.gather(weight, g.integers(taps), 2);
  const selection = Array.from({ length: count }, (_, tap) => taps.map((chosen) => (chosen === tap ? 1 : 0)));
  return g.matmul(weight, g.constant(selection.flat(), [count, taps.length], weight));
}

/** Σ over taps m of weight[m] · dy[i − front + m · dilation], for the positions i of `length`. */
function convolve(
  g: GraphBuilder,
  dy: Value,
  weight: Value,
  front: readonly number[],
  length: readonly number[],
  dilations: readonly number[],
  group: number,
): Value {
  const kernel = weight.shape.slice(2);
  const spatial = dy.shape.slice(2);
  const back = spatial.map(
    (size, axis) => length[axis]! + windowExtent(kernel[axis]!, dilations[axis]!) - 1 - front[axis]! - size,
  );
  // Conv takes no negative pads: crop instead.
  const kept = spatial.map((size, axis) => size + Math.min(0, back[axis]!) + Math.min(0, front[axis]!));
  const start = front.map((f) => Math.max(0, -f));
  const cropped = spatialWindow(g, dy, start, kept);
  const pads = [...front, ...back].map((pad) => Math.max(0, pad));
  return g.op('Conv', [cropped, weight], { kernel_shape: kernel, pads, dilations, group });
}
