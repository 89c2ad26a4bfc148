/** @file The reference of integrated gradients, DeepLIFT and the like: an image without evidence, or several to average over. */
import { UsageError } from '../errors.ts';
import { gaussianBlur } from '../image/blur.ts';
import { createRandom } from '../random.ts';
import { filled, rows, sizeOf, type Tensor, zeros } from '../tensor.ts';
import { checkChoice } from './check-choice.ts';
import { checkCount } from './check-count.ts';
import { checkFinite } from './check-finite.ts';
import type { Task } from './explanation.ts';

/**
 * - `'black'`, `'white'`: zeros, ones
 * - `'mean'`: each channel's mean over the image
 * - `'blurred'`: the image after a Gaussian blur of a tenth of its shorter side; `{ blurred: σ }` in pixels
 * - `'uniform'`: uniform noise in [0, 1], the mean over 10 draws; `{ uniform: draws }`
 * - `'gaussian'`: the image under Gaussian noise of standard deviation 0.4, 10 draws; `{ gaussian: draws, sigma, mean }`,
 *   not clipped, around the image or, with `mean`, around one value
 * - an image, for all, or as many images [N, ...] as are explained, one each
 * - `{ average: images }`: several for each image, the mean of the attributions over them
 */
export type Baseline =
  | 'black'
  | 'white'
  | 'mean'
  | 'blurred'
  | 'uniform'
  | 'gaussian'
  | Tensor
  | { readonly blurred: number }
  | { readonly uniform: number }
  | { readonly gaussian: number; readonly sigma?: number; readonly mean?: number }
  | { readonly average: Tensor };

type WithImages = Pick<Task, 'images' | 'seed' | 'imageNumbers'>;

/** The baseline of every image for one draw, [N, ...]; an image's baseline depends on seed and image number alone. */
type Draw = (task: WithImages, draw: number) => Tensor;

interface Source {
  /** Attributions are averaged over so many baselines. */
  readonly draws: number;
  readonly random: boolean;
  readonly baselines: Draw;
}

/**
 * How many baselines there are for each image.
 *
 * @throws UsageError when the description makes no sense
 */
export const baselineDraws = (baseline: Baseline): number => sourceOf(baseline).draws;

/** Whether the baselines are draws of chance. */
export const isRandomBaseline = (baseline: Baseline): boolean => sourceOf(baseline).random;

/**
 * The baseline of each image, [N, ...]; of several, the one numbered `draw`.
 *
 * @throws UsageError when a given image does not fit
 */
export const baselinesOf = (task: WithImages, baseline: Baseline, draw = 0): Tensor =>
  sourceOf(baseline).baselines(task, draw);

const once = (baselines: Draw): Source => ({ draws: 1, random: false, baselines });

function sourceOf(baseline: Baseline): Source {
  if (typeof baseline === 'string') {
    checkChoice('baseline', baseline, Object.keys(named));
    return named[baseline];
  }
  if ('blurred' in baseline) return blurred(baseline.blurred);
  if ('uniform' in baseline) return uniform(baseline.uniform);
  if ('gaussian' in baseline) return gaussian(baseline);
  if ('average' in baseline) return averageOver(baseline.average);
  return once(({ images }) => given(baseline, images));
}

const named: Readonly<Record<Extract<Baseline, string>, Source>> = {
  black: once(({ images }) => zeros(images.shape)),
  white: once(({ images }) => filled(images.shape, 1)),
  mean: once(({ images }) => channelMeans(images)),
  blurred: blurred(),
  uniform: uniform(10),
  gaussian: gaussian({ gaussian: 10 }),
};

/** One image for all, or one each. */
function given({ shape, data }: Tensor, images: Tensor): Tensor {
  const [count, ...wanted] = images.shape;
  const own = shape.length === images.shape.length ? shape.slice(1) : shape;
  const many = shape.length === images.shape.length ? shape[0]! : 1;
  if (own.join() !== wanted.join() || sizeOf(shape) !== data.length)
    throw new UsageError(
      `the baseline has shape [${shape.join(', ')}]; it must be one input, [${wanted.join(', ')}], or one for each image`,
    );
  checkFinite('the baseline', { shape, data });
  if (many === count) return { shape: images.shape, data };
  if (many !== 1)
    throw new UsageError(
      `${many} baselines were given for ${count} images: give one each, or { average: baselines } to average over all`,
    );
  const result = zeros(images.shape);
  for (let start = 0; start < result.data.length; start += data.length) result.data.set(data, start);
  return result;
}

function averageOver(several: Tensor): Source {
  const count = several.shape[0] ?? 0;
  checkCount('the number of baselines to average over', count);
  return { draws: count, random: false, baselines: ({ images }, draw) => given(rows(several, draw, draw + 1), images) };
}

function channelMeans(images: Tensor): Tensor {
  // A vector has no channels: its mean is that of all its values.
  const planes = images.shape.length > 2 ? images.shape[0]! * images.shape[1]! : images.shape[0]!;
  const area = images.data.length / planes;
  const result = zeros(images.shape);
  for (let start = 0; start < result.data.length; start += area) {
    const plane = images.data.subarray(start, start + area);
    result.data.fill(plane.reduce((a, b) => a + b, 0) / area, start, start + area);
  }
  return result;
}

function blurred(sigma?: number): Source {
  if (sigma !== undefined && !(sigma > 0 && sigma < Number.POSITIVE_INFINITY))
    throw new UsageError(`the blur of a baseline must be above 0 pixels, not ${sigma}`);
  return once(({ images }) => {
    if (images.shape.length < 4)
      throw new UsageError(
        `inputs of shape [${images.shape.slice(1).join(', ')}] are no images: they cannot be blurred`,
      );
    return gaussianBlur(images, sigma ?? Math.min(...images.shape.slice(-2)) / 10);
  });
}

function uniform(draws: number): Source {
  checkCount('the number of uniform baselines', draws);
  return drawn(draws, 'uniform baseline', (random, into) => random.fillUniform(into, 0, 1));
}

function gaussian({ gaussian, sigma = 0.4, mean }: Extract<Baseline, { gaussian: number }>): Source {
  checkCount('the number of Gaussian baselines', gaussian);
  if (!(sigma >= 0 && sigma < Number.POSITIVE_INFINITY))
    throw new UsageError(`the standard deviation of a baseline must be 0 or more, not ${sigma}`);
  return drawn(gaussian, 'gaussian baseline', (random, into, image) => {
    random.fillNormal(into, mean ?? 0, sigma);
    if (mean === undefined) for (let k = 0; k < into.length; k++) into[k]! += image[k]!;
  });
}

function drawn(
  draws: number,
  stream: string,
  fill: (random: ReturnType<typeof createRandom>, into: Float32Array, image: Float32Array) => void,
): Source {
  return {
    draws,
    random: true,
    baselines: ({ images, seed, imageNumbers }, draw) => {
      const result = zeros(images.shape);
      for (let i = 0; i < images.shape[0]!; i++)
        fill(
          createRandom(seed, stream, imageNumbers[i]!, draw),
          rows(result, i, i + 1).data,
          rows(images, i, i + 1).data,
        );
      return result;
    },
  };
}
