/** @file The geometry of a window that slides over the spatial axes: what convolution and pooling share. */
import { ShapeError } from '../errors.ts';
import type { AttributeTable } from './operator.ts';

/** One entry for each spatial axis. Output position p and tap t read the input at p · stride + t · dilation − before. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Padding at the start of each axis. */
  readonly before: readonly number[];
  /** Padding at the end of each axis, as declared; a window of `ceil_mode` may reach further. */
  readonly after: readonly number[];
  /** How often the window fits. */
  readonly output: readonly number[];
}

type AutoPad = 'NOTSET' | 'SAME_UPPER' | 'SAME_LOWER' | 'VALID';

export interface WindowAttributes {
  readonly auto_pad: AutoPad;
  readonly strides?: readonly number[];
  readonly dilations?: readonly number[];
  readonly pads?: readonly number[];
  readonly ceil_mode?: number;
}

/** The attributes every sliding window has. */
export const windowAttributes = {
  auto_pad: { kind: 'string', default: 'NOTSET' },
  kernel_shape: { kind: 'ints' },
  pads: { kind: 'ints' },
  strides: { kind: 'ints' },
} satisfies AttributeTable;

/** The distance from the first element a window covers to the one after its last. */
export const windowExtent = (kernel: number, dilation: number): number => (kernel - 1) * dilation + 1;

/**
 * Resolves `auto_pad`, defaults and the number of outputs for an input of the given spatial shape.
 *
 * @throws ShapeError when lists have the wrong length or the window does not fit
 */
export function slidingWindow(
  attributes: WindowAttributes,
  kernel: readonly number[],
  input: readonly number[],
  what: string,
): Window {
  const rank = input.length;
  const strides = attributes.strides ?? input.map(() => 1);
  const dilations = attributes.dilations ?? input.map(() => 1);
  const pads = attributes.auto_pad === 'NOTSET' ? attributes.pads : undefined;
  checkLengths({ kernel_shape: kernel, strides, dilations }, rank, what);
  if (pads !== undefined) checkLengths({ pads }, 2 * rank, what);
  const before: number[] = [];
  const after: number[] = [];
  const output = input.map((length, axis) => {
    const stride = strides[axis]!;
    const extent = windowExtent(kernel[axis]!, dilations[axis]!);
    if (attributes.auto_pad === 'SAME_UPPER' || attributes.auto_pad === 'SAME_LOWER') {
      const count = Math.ceil(length / stride);
      const total = Math.max(0, (count - 1) * stride + extent - length);
      const smaller = Math.floor(total / 2);
      before.push(attributes.auto_pad === 'SAME_UPPER' ? smaller : total - smaller);
      after.push(total - before[axis]!);
      return count;
    }
    before.push(pads?.[axis] ?? 0);
    after.push(pads?.[axis + rank] ?? 0);
    const steps = (length + before[axis]! + after[axis]! - extent) / stride;
    let count = (attributes.ceil_mode ? Math.ceil(steps) : Math.floor(steps)) + 1;
    // A last window that would start behind the input and its front padding is dropped.
    if (attributes.ceil_mode && (count - 1) * stride >= length + before[axis]!) count -= 1;
    if (count < 1) {
      throw new ShapeError(`the window of ${what} covers ${extent} elements of axis ${axis + 2}, which has ${length}`);
    }
    return count;
  });
  return { kernel, strides, dilations, before, after, output };
}

export function checkLengths(lists: Record<string, readonly number[]>, length: number, what: string): void {
  for (const [name, list] of Object.entries(lists)) {
    if (list.length !== length) {
      throw new ShapeError(`'${name}' of ${what} has ${list.length} numbers, expected ${length}`);
    }
    const least = name === 'pads' || name === 'output_padding' ? 0 : 1;
    if (list.some((n) => !Number.isInteger(n) || n < least)) {
      throw new ShapeError(`'${name}' of ${what} is [${list}]: every number must be at least ${least}`);
    }
  }
}

/**
 * Calls `visit(output, input, tap)` with flat spatial indices for every tap of every window that lies inside the input.
 * For one output, the taps come in row-major order.
 */
export function forEachTap(
  { kernel, strides, dilations, before, output }: Window,
  input: readonly number[],
  visit: (output: number, input: number, tap: number) => void,
): void {
  const descend = (axis: number, outputIndex: number, inputIndex: number, tapIndex: number): void => {
    if (axis === input.length) {
      visit(outputIndex, inputIndex, tapIndex);
      return;
    }
    const length = input[axis]!;
    const taps = kernel[axis]!;
    for (let p = 0; p < output[axis]!; p += 1) {
      for (let t = 0; t < taps; t += 1) {
        const position = p * strides[axis]! + t * dilations[axis]! - before[axis]!;
        if (position < 0 || position >= length) continue;
        descend(axis + 1, outputIndex * output[axis]! + p, inputIndex * length + position, tapIndex * taps + t);
      }
    }
  };
  descend(0, 0, 0, 0);
}
