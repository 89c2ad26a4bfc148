/** @file Occlusion: a window slides over the image and hides what is under it. */
import { UsageError } from '../../errors.ts';
import { rows, sizeOf, zeros } from '../../tensor.ts';
import { valuesAt } from '../at-images.ts';
import type { Baseline } from '../baseline.ts';
import type { Explain, Task } from '../explanation.ts';
import { refuseLayer } from '../refuse-layer.ts';
import { baselinesByImage } from './image-baselines.ts';
import { type Masked, type Masking, maskedValues, withMasked } from './masked.ts';

export interface Occlusion {
  readonly name: 'occlusion';
  readonly window?: number | readonly number[];
  readonly stride?: number | readonly number[];
  readonly baseline: Baseline;
}

/**
 * How much what is explained falls when a window is replaced by the baseline: at each pixel the mean of f(x) − f(x with
 * the window hidden) over the windows that cover it. Zeiler & Fergus 2014; averaged as in captum, where other libraries
 * sum (PAIR saliency) or keep f of the hidden image itself (zennit). Windows at the far border are cut off there; a pixel
 * that none covers, for a stride above the window, gets 0.
 *
 * @example
 * await attribute(classifier, { images, method: occlusion({ window: 8, stride: 4 }) });
 */
export const occlusion = ({
  window,
  stride,
  baseline = 'black',
}: {
  /**
   * Side of a square window over all channels, or its length along each axis of the input. Default: an eighth of the
   * shorter side of an image, rounded up; 1 for anything else.
   */
  window?: number | readonly number[];
  /** Steps of the window, as `window`. Default: half the window, rounded up. */
  stride?: number | readonly number[];
  /** What hides. Default black (zeros). */
  baseline?: Baseline;
} = {}): Occlusion => ({
  name: 'occlusion',
  ...(window !== undefined && { window }),
  ...(stride !== undefined && { stride }),
  baseline,
});

export const explainOcclusion: Explain<Occlusion> = async (task, method) => {
  refuseLayer(task, method.name);
  const { classifier, images, onProgress } = task;
  const axes = windowsAlong(classifier.inputShape, method);
  const windows = axes.reduce((product, { starts }) => product * starts.length, 1);
  const count = images.shape[0]!;
  const output = await valuesAt(task);
  // Windows over all channels do not tell them apart.
  const places = isWhole(axes[0]!) && axes.length === 3 ? axes.slice(1) : axes;
  const shape = [...axes.slice(places.length).map(() => 1), ...places.map(({ length }) => length)];
  const attributions = zeros([count, ...shape]);
  const baselines = baselinesByImage(task, method.baseline);
  for (let i = 0; i < count; i++) {
    const own = { row: i, values: rows(images, i, i + 1), baselines: baselines(i) };
    const total = windows * own.baselines.length;
    const hidden = await withoutWindows(task, own, axes, windows, (done) =>
      onProgress?.({ stage: method.name, done: i * total + done, total: count * total }),
    );
    const falls = hidden.map((value) => output[i]! - value);
    attributions.data.set(meanOverWindows(falls, places), i * sizeOf(shape));
  }
  return { attributions, output };
};

/** The windows along one axis. */
interface Axis {
  readonly length: number;
  readonly window: number;
  readonly starts: readonly number[];
}

const isWhole = ({ length, window }: Axis): boolean => window === length;

function windowsAlong(shape: readonly number[], { window, stride }: Occlusion): Axis[] {
  const isImage = shape.length === 3;
  const spread = (given: number | readonly number[] | undefined, what: string) => {
    const lengths = typeof given === 'number' ? shape.map((n, axis) => (isImage && axis === 0 ? n : given)) : given;
    if (lengths !== undefined && lengths.length !== shape.length)
      throw new UsageError(
        `the ${what} of occlusion has ${lengths.length} lengths, the input has ${shape.length}: [${shape.join(', ')}]`,
      );
    return lengths;
  };
  const side = isImage ? Math.ceil(Math.min(shape[1]!, shape[2]!) / 8) : 1;
  const lengths = spread(window ?? side, 'window')!;
  const steps = spread(stride, 'stride') ?? lengths.map((n) => Math.ceil(n / 2));
  return shape.map((length, axis) => {
    const wide = lengths[axis]!;
    const step = steps[axis]!;
    if (![wide, step].every((n) => Number.isInteger(n) && n >= 1) || wide > length)
      throw new UsageError(
        `a window of ${wide} with steps of ${step} does not go over an axis of ${length}: both are whole numbers from 1, and the window is no longer than the axis`,
      );
    // With a step above the window, the one after the last that fits may lie behind the border, and hide nothing.
    const windows = Math.min(Math.ceil((length - wide) / step) + 1, Math.ceil(length / step));
    return { length, window: wide, starts: Array.from({ length: windows }, (_, k) => k * step) };
  });
}

/** What is explained with each window hidden, in the order of the windows, the last axis fastest. */
function withoutWindows(
  task: Task,
  masked: Masked,
  axes: readonly Axis[],
  count: number,
  onValues: Masking['onValues'],
): Promise<Float64Array> {
  // A window is where all of its axes say so: a few numbers for each axis, not one for each pixel, go to the engine.
  const offsets = axes.map((_, axis) => axes.slice(0, axis).reduce((sum, { length }) => sum + length, 0));
  return withMasked(task, masked, {}, (at) =>
    maskedValues(task, at, {
      key: 'windows',
      count,
      length: axes.reduce((sum, { length }) => sum + length, 0),
      write: (index, numbers) => {
        let rest = index;
        for (let axis = axes.length - 1; axis >= 0; axis--) {
          const { length, window, starts } = axes[axis]!;
          const start = starts[rest % starts.length]!;
          rest = Math.floor(rest / starts.length);
          numbers.fill(1, offsets[axis]! + start, offsets[axis]! + Math.min(length, start + window));
        }
      },
      mask: (g, numbers) => {
        const inside = axes.map(({ length }, axis) => {
          const along = g.slice(numbers, { starts: [offsets[axis]!], ends: [offsets[axis]! + length], axes: [1] });
          return g.reshape(along, [-1, ...axes.map((_, other) => (other === axis ? length : 1))]);
        });
        return g.offset(g.neg(inside.reduce((product, part) => g.mul(product, part))), 1);
      },
      onValues,
    }),
  );
}

/** The mean at each element over the windows that cover it: spread along one axis after the other. */
function meanOverWindows(falls: Float64Array, axes: readonly Axis[]): Float64Array {
  const covered = (axis: Axis) => spreadAlong(new Float64Array(axis.starts.length).fill(1), 1, 1, axis);
  let sums = falls;
  let before = 1;
  let after = falls.length;
  for (const axis of axes) {
    after /= axis.starts.length;
    const counts = covered(axis);
    sums = spreadAlong(sums, before, after, axis).map((sum, i) => {
      const windows = counts[Math.floor(i / after) % axis.length]!;
      return windows === 0 ? 0 : sum / windows;
    });
    before *= axis.length;
  }
  return sums;
}

/** Values [before, windows, after] added up where the windows lie, [before, length, after]. */
function spreadAlong(
  values: Float64Array,
  before: number,
  after: number,
  { length, window, starts }: Axis,
): Float64Array {
  const result = new Float64Array(before * length * after);
  for (let b = 0; b < before; b++)
    starts.forEach((start, k) => {
      for (let at = start; at < Math.min(length, start + window); at++)
        for (let a = 0; a < after; a++)
          result[(b * length + at) * after + a]! += values[(b * starts.length + k) * after + a]!;
    });
  return result;
}
