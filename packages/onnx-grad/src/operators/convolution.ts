/** @file Conv and ConvTranspose, with one, two or three spatial axes. */
import { ShapeError } from '../errors.ts';
import { type NumericArray, zeros } from '../evaluate/array.ts';
import { describeNode, sizeOf } from '../graph.ts';
import { type InferContext, type Operator, required } from './operator.ts';
import {
  checkLengths,
  forEachTap,
  slidingWindow,
  type Window,
  type WindowAttributes,
  windowAttributes,
  windowExtent,
} from './window.ts';

/** A convolution with every attribute resolved. */
export interface Convolution {
  readonly window: Window;
  readonly group: number;
  /** Spatial shape of the convolution's input; for ConvTranspose that is the shape of its output. */
  readonly image: readonly number[];
}

export interface ConvAttributes extends WindowAttributes {
  readonly group: number;
  readonly kernel_shape?: readonly number[];
}

export interface ConvTransposeAttributes extends ConvAttributes {
  readonly output_padding?: readonly number[];
  readonly output_shape?: readonly number[];
}

const attributes = {
  ...windowAttributes,
  dilations: { kind: 'ints' },
  group: { kind: 'int', default: 1 },
} as const;

/** Resolves a Conv of `x` [N, C, ...] with `weight` [O, C / group, ...]. */
export function resolveConv(
  attributes: ConvAttributes,
  x: readonly number[],
  weight: readonly number[],
  what = 'Conv',
): Convolution {
  checkConvShapes(attributes, x, weight, what);
  const { group } = attributes;
  if (x[1] !== weight[1]! * group) {
    throw new ShapeError(
      `${what}: the input has ${x[1]} channels, the weight [${weight}] in ${group} group(s) expects ${weight[1]! * group}`,
    );
  }
  if (weight[0]! % group !== 0)
    throw new ShapeError(`${what}: ${weight[0]} output channels do not divide into ${group} groups`);
  const image = x.slice(2);
  return { window: slidingWindow(attributes, weight.slice(2), image, what), group, image };
}

/**
 * Resolves a ConvTranspose of `x` [N, C, ...] with `weight` [C, O / group, ...] as the convolution it is the transpose
 * of: `image` is its output's spatial shape, and the window fits `image` as often as `x` has elements.
 */
export function resolveConvTranspose(
  attributes: ConvTransposeAttributes,
  x: readonly number[],
  weight: readonly number[],
  what = 'ConvTranspose',
): Convolution {
  checkConvShapes(attributes, x, weight, what);
  const { group, auto_pad, output_shape } = attributes;
  if (x[1] !== weight[0]) {
    throw new ShapeError(`${what}: the input has ${x[1]} channels, the weight [${weight}] expects ${weight[0]}`);
  }
  if (x[1]! % group !== 0) throw new ShapeError(`${what}: ${x[1]} input channels do not divide into ${group} groups`);
  const input = x.slice(2);
  const kernel = weight.slice(2);
  const rank = input.length;
  const strides = attributes.strides ?? input.map(() => 1);
  const dilations = attributes.dilations ?? input.map(() => 1);
  const extra = attributes.output_padding ?? input.map(() => 0);
  checkLengths({ strides, dilations, output_padding: extra }, rank, what);
  if (attributes.pads !== undefined) checkLengths({ pads: attributes.pads }, 2 * rank, what);
  const before: number[] = [];
  const after: number[] = [];
  const image = input.map((length, axis) => {
    const full = strides[axis]! * (length - 1) + windowExtent(kernel[axis]!, dilations[axis]!) + extra[axis]!;
    const same = auto_pad === 'SAME_UPPER' || auto_pad === 'SAME_LOWER';
    if (output_shape === undefined && !same) {
      const pads = auto_pad === 'VALID' ? undefined : attributes.pads;
      before.push(pads?.[axis] ?? 0);
      after.push(pads?.[axis + rank] ?? 0);
      return full - before[axis]! - after[axis]!;
    }
    const target = output_shape?.[output_shape.length - rank + axis] ?? length * strides[axis]!;
    const total = Math.max(0, full - target);
    const smaller = Math.floor(total / 2);
    before.push(auto_pad === 'SAME_UPPER' ? smaller : total - smaller);
    after.push(total - before[axis]!);
    return target;
  });
  if (image.some((length) => length < 1)) throw new ShapeError(`${what}: the output would have shape [${image}]`);
  return { window: { kernel, strides, dilations, before, after, output: input }, group, image };
}

function checkConvShapes(
  { group, kernel_shape }: ConvAttributes,
  x: readonly number[],
  weight: readonly number[],
  what: string,
): void {
  if (x.length < 3 || x.length !== weight.length) {
    throw new ShapeError(
      `${what}: an input [${x}] and a weight [${weight}] do not fit: expected [N, C, ...] and the same rank`,
    );
  }
  if (!Number.isInteger(group) || group < 1) throw new ShapeError(`${what}: 'group' is ${group}`);
  if (kernel_shape !== undefined && kernel_shape.join() !== weight.slice(2).join()) {
    throw new ShapeError(`${what}: 'kernel_shape' is [${kernel_shape}], but the weight has shape [${weight}]`);
  }
}

function checkBias({ inputs, node }: InferContext, channels: number): void {
  const bias = inputs[2];
  if (bias !== undefined && bias.shape.join() !== `${channels}`) {
    throw new ShapeError(`${describeNode(node)}: the bias has shape [${bias.shape}], expected [${channels}]`);
  }
}

const Conv: Operator = {
  attributes,
  infer(context) {
    const x = required(context, 0);
    const weight = required(context, 1);
    const { window } = resolveConv(
      context.attributes as ConvAttributes,
      x.shape,
      weight.shape,
      describeNode(context.node),
    );
    checkBias(context, weight.shape[0]!);
    return [{ dtype: x.dtype, shape: [x.shape[0]!, weight.shape[0]!, ...window.output] }];
  },
  evaluate({ attributes, inputs }) {
    const x = inputs[0]!;
    const weight = inputs[1]!;
    const convolution = resolveConv(attributes as ConvAttributes, x.shape, weight.shape);
    const y = zeros(x.dtype, [x.shape[0]!, weight.shape[0]!, ...convolution.window.output]);
    forEachProduct(convolution, y.shape, weight.shape, (output, input, w) => {
      y.data[output] = y.data[output]! + x.data[input]! * weight.data[w]!;
    });
    addBias(y, inputs[2]);
    return [y];
  },
};

const ConvTranspose: Operator = {
  attributes: { ...attributes, output_padding: { kind: 'ints' }, output_shape: { kind: 'ints' } },
  infer(context) {
    const x = required(context, 0);
    const weight = required(context, 1);
    const what = describeNode(context.node);
    const { image, group } = resolveConvTranspose(
      context.attributes as ConvTransposeAttributes,
      x.shape,
      weight.shape,
      what,
    );
    const channels = weight.shape[1]! * group;
    checkBias(context, channels);
    return [{ dtype: x.dtype, shape: [x.shape[0]!, channels, ...image] }];
  },
  evaluate({ attributes, inputs }) {
    const x = inputs[0]!;
    const weight = inputs[1]!;
    const convolution = resolveConvTranspose(attributes as ConvTransposeAttributes, x.shape, weight.shape);
    const y = zeros(x.dtype, [x.shape[0]!, weight.shape[1]! * convolution.group, ...convolution.image]);
    forEachProduct(convolution, x.shape, weight.shape, (input, output, w) => {
      y.data[output] = y.data[output]! + x.data[input]! * weight.data[w]!;
    });
    addBias(y, inputs[2]);
    return [y];
  },
};

/**
 * Calls `visit` with the flat indices of every (output element, image element, weight element) that a convolution
 * multiplies; `output` is the shape of its output, `weight` [O, C / group, ...].
 */
function forEachProduct(
  { window, group, image }: Convolution,
  output: readonly number[],
  weight: readonly number[],
  visit: (output: number, image: number, weight: number) => void,
): void {
  const [batch = 0, outputChannels = 0] = output;
  const inputChannels = weight[1]!;
  const outputSize = sizeOf(window.output);
  const imageSize = sizeOf(image);
  const taps = sizeOf(window.kernel);
  const perGroup = outputChannels / group;
  forEachTap(window, image, (position, pixel, tap) => {
    for (let n = 0; n < batch; n += 1) {
      for (let o = 0; o < outputChannels; o += 1) {
        const firstChannel = (n * group + Math.floor(o / perGroup)) * inputChannels;
        for (let c = 0; c < inputChannels; c += 1) {
          visit(
            (n * outputChannels + o) * outputSize + position,
            (firstChannel + c) * imageSize + pixel,
            (o * inputChannels + c) * taps + tap,
          );
        }
      }
    }
  });
}

function addBias(y: NumericArray, bias: NumericArray | undefined): void {
  if (bias === undefined) return;
  const size = sizeOf(y.shape.slice(2));
  for (let i = 0; i < y.data.length; i += 1) {
    y.data[i] = y.data[i]! + bias.data[Math.floor(i / size) % y.shape[1]!]!;
  }
}

export const convolution: Record<string, Operator> = { Conv, ConvTranspose };
