/** @file Gaussian noise on images, for SmoothGrad and its relatives. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import { createRandom } from '../random.ts';
import { rows, type Tensor } from '../tensor.ts';
import type { Task } from './explanation.ts';

export interface Noise {
  /** Standard deviation; see `relative`. */
  readonly sigma: number;
  /** Whether sigma is a share of each image's range (largest minus smallest value) or a deviation itself. */
  readonly relative: boolean;
  /** Whether noisy images are clipped to [0, 1]. */
  readonly clip: boolean;
  /** The noise, and the range, are those of (x − mean) / std, by channel: for studies that smooth normalised images. */
  readonly normalization?: { readonly mean: readonly number[]; readonly std: readonly number[] };
}

/**
 * What adds noise to the images of a task: writes the noise of one image and sample, which depends on seed, image number
 * and sample alone.
 *
 * @throws UsageError for a negative sigma, or a normalization that does not fit the images
 */
export function noiseOf(task: Pick<Task, 'images' | 'seed' | 'imageNumbers'>, noise: Noise) {
  const { images, seed, imageNumbers } = task;
  if (!(noise.sigma >= 0 && noise.sigma < Number.POSITIVE_INFINITY))
    throw new UsageError(`sigma must be 0 or more, not ${noise.sigma}`);
  const scales = scalesOf(images, noise.normalization);
  const ranges = Array.from({ length: images.shape[0]! }, (_, i) =>
    noise.relative ? rangeOf(rows(images, i, i + 1).data, scales) : 1,
  );
  return (into: Float32Array, image: number, sample: number): void => {
    const random = createRandom(seed, 'smoothgrad', imageNumbers[image]!, sample);
    const area = into.length / scales.length;
    scales.forEach(({ std }, channel) => {
      random.fillNormal(into.subarray(channel * area, (channel + 1) * area), 0, noise.sigma * ranges[image]! * std);
    });
  };
}

/** Images with noise on them. */
export function writeNoisy(g: GraphBuilder, x: Value, noise: Value, { clip }: Noise): Value {
  const noisy = g.add(x, noise);
  return clip ? g.op('Clip', [noisy, g.constant(0), g.constant(1)]) : noisy;
}

interface Scale {
  readonly mean: number;
  readonly std: number;
}

/** One scale a channel; a single one for all values where there is no normalization. */
function scalesOf({ shape }: Tensor, normalization: Noise['normalization']): Scale[] {
  if (normalization === undefined) return [{ mean: 0, std: 1 }];
  const { mean, std } = normalization;
  const channels = shape[1] ?? 1;
  if (mean.length !== channels || std.length !== channels || std.some((value) => !(value > 0)))
    throw new UsageError(
      `the normalization of the noise needs a mean and an std above 0 for each of the ${channels} channels`,
    );
  return mean.map((value, channel) => ({ mean: value, std: std[channel]! }));
}

function rangeOf(image: Float32Array, scales: readonly Scale[]): number {
  const area = image.length / scales.length;
  let [lowest, highest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  scales.forEach(({ mean, std }, channel) => {
    for (const value of image.subarray(channel * area, (channel + 1) * area)) {
      const normalised = (value - mean) / std;
      if (normalised < lowest) lowest = normalised;
      if (normalised > highest) highest = normalised;
    }
  });
  return highest - lowest;
}
