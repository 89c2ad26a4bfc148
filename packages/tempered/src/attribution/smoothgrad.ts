/** @file SmoothGrad, SmoothGrad² and VarGrad: mean, mean square and variance of attributions at noisy copies of an image. */
import { UsageError } from '../errors.ts';
import { createRandom } from '../random.ts';
import { type Tensor, zeros } from '../tensor.ts';
import { valuesAt } from './at-images.ts';
import type { AttributionMethod } from './attribute.ts';
import { checkCount } from './check-count.ts';
import { collectRows } from './collect-rows.ts';
import { keyOfExplained } from './explained.ts';
import type { Explanation, Methods, Task } from './explanation.ts';
import { plainGradient } from './gradient.ts';
import { methodRows } from './method-rows.ts';
import { addSample, type Moments, noMoments } from './moments.ts';
import { type Noise, noiseOf, writeNoisy } from './noise.ts';
import type { OnePass } from './one-pass.ts';
import { overPoints } from './points.ts';
import { type Estimate, estimateMean, estimateMeanSquare, estimateVariance, relativeErrors } from './standard-error.ts';
import { taskRows } from './task-rows.ts';

interface Smoothed<Name extends string> extends Noise {
  readonly name: Name;
  readonly method: AttributionMethod;
  readonly samples: number;
}

export type SmoothGrad = Smoothed<'smoothgrad'>;
export type SmoothGradSquared = Smoothed<'smoothgrad-squared'>;
export interface VarGrad extends Smoothed<'vargrad'> {
  readonly unbiased: boolean;
}

export interface SmoothGradOptions extends Partial<Noise> {
  /** What is smoothed, any method. Default the gradient, signed. */
  method?: AttributionMethod;
  /** Noisy copies. Default 50. */
  samples?: number;
}

const smoothed = <Name extends string>(
  name: Name,
  {
    method = plainGradient(),
    samples = 50,
    sigma = 0.15,
    relative = true,
    clip = false,
    normalization,
  }: SmoothGradOptions,
): Smoothed<Name> => ({ name, method, samples, sigma, relative, clip, ...(normalization && { normalization }) });

/**
 * Mean attribution at noisy copies of the image. Smilkov et al. 2017, eq. 2.
 *
 * sigma (default 0.15) is a share of each image's range, or with `relative: false` a deviation in pixel units; `clip`
 * keeps the copies in [0, 1] (default not, as published).
 *
 * @example
 * smoothGrad({ samples: 100, sigma: 0.3, relative: false });
 * smoothGrad({ method: integratedGradients({ steps: 20 }), samples: 10 });
 */
export const smoothGrad = (options: SmoothGradOptions = {}): SmoothGrad => smoothed('smoothgrad', options);

/** Mean of the squared attributions at noisy copies: at least SmoothGrad's square everywhere. Hooker et al. 2019, §4.2. */
export const smoothGradSquared = (options: SmoothGradOptions = {}): SmoothGradSquared =>
  smoothed('smoothgrad-squared', options);

/** Variance of the attributions at noisy copies. Adebayo et al. 2018, "Local explanation methods for deep neural networks lack sensitivity to parameter values", eq. 5. */
export const varGrad = ({
  unbiased = true,
  ...options
}: SmoothGradOptions & {
  /** Divides by n − 1 (default; xplique does), so that the map does not grow with the number of samples; otherwise by n (captum). */
  unbiased?: boolean;
} = {}): VarGrad => ({ ...smoothed('vargrad', options), unbiased });

export const explainSmoothGrad = (task: Task, method: SmoothGrad, methods: Methods): Promise<Explanation> =>
  explain(task, method, methods, { powers: 1, estimate: estimateMean });

export const explainSmoothGradSquared = (
  task: Task,
  method: SmoothGradSquared,
  methods: Methods,
): Promise<Explanation> => explain(task, method, methods, { powers: 3, estimate: estimateMeanSquare });

export function explainVarGrad(task: Task, method: VarGrad, methods: Methods): Promise<Explanation> {
  if (method.samples === 1) throw new UsageError('one sample has no variance: give VarGrad 2 samples or more');
  return explain(task, method, methods, {
    powers: 3,
    estimate: (moments) => estimateVariance(moments, method.unbiased),
  });
}

interface Statistic {
  readonly powers: 1 | 3;
  readonly estimate: (moments: Moments) => Estimate;
}

async function explain(
  task: Task,
  description: Smoothed<string>,
  methods: Methods,
  { powers, estimate }: Statistic,
): Promise<Explanation> {
  const { method, samples } = description;
  checkCount('samples', samples);
  const count = task.images.shape[0]!;
  const attributions = collectRows(count);
  const standardError = new Array<number>(count);
  const take = (image: number, moments: Moments) => {
    const estimated = estimate(moments);
    attributions.put(image, estimated.values);
    standardError[image] = relativeErrors(estimated);
  };
  const pass = methods.onePass(method, task);
  const { shape, layer } = pass
    ? await inOneProgram(task, description, pass, powers, take)
    : await sampleBySample(task, description, methods, powers, take);
  return {
    attributions: attributions.tensor(shape),
    output: await valuesAt(task),
    ...(layer !== undefined && { layer }),
    ...(samples > 1 && { certificate: { standardError } }),
  };
}

interface Sampled {
  /** Of one image's attributions. */
  readonly shape: readonly number[];
  readonly layer: string | undefined;
}

type Take = (image: number, moments: Moments) => void;

/** A method that is one program: noise, attributions and their moments are one too. */
async function inOneProgram(
  task: Task,
  description: Smoothed<string>,
  pass: OnePass,
  powers: 1 | 3,
  take: Take,
): Promise<Sampled> {
  const { images, targetRows, of, layer, classifier } = task;
  const { samples, clip, name } = description;
  const fill = noiseOf(task, description);
  const shape = await overPoints(
    task,
    {
      key: `${pass.key} of ${keyOfExplained(of)} at ${layer ?? 'the input'} under noise ${clip}`,
      stage: name,
      passes: pass.passes,
      counts: new Int32Array(images.shape[0]!).fill(samples),
      images: { x: images, target: targetRows },
      points: { noise: { shape: classifier.inputShape, fill } },
      write: (context, { x, target, noise }) => {
        const noisy = writeNoisy(context.g, x!, noise!, description);
        return pass.write({ ...context, x: noisy, target: target!, of, layer, fed: {} }).attributions;
      },
      powers,
    },
    take,
  );
  return { shape, layer: pass.layer };
}

/** Any other method explains the noisy copies of some images, one copy of each at a time. */
async function sampleBySample(
  task: Task,
  description: Smoothed<string>,
  methods: Methods,
  powers: 1 | 3,
  take: Take,
): Promise<Sampled> {
  const { images, seed, batchSize, signal, onProgress } = task;
  const { method, samples, name } = description;
  const fill = noiseOf(task, description);
  const count = images.shape[0]!;
  let sampled: Sampled = { shape: [], layer: undefined };
  for (let start = 0; start < count; start += batchSize) {
    const group = taskRows({ ...task, onProgress: undefined }, start, start + batchSize);
    const size = group.images.shape[0]!;
    const own = methodRows(method, images, start, start + batchSize);
    let moments: Moments[] | undefined;
    for (let sample = 0; sample < samples; sample++) {
      signal?.throwIfAborted();
      const noisy = noisyImages(group.images, (into, image) => fill(into, start + image, sample), description.clip);
      const innerSeed = createRandom(seed, 'smoothgrad sample', sample).bits();
      const { attributions, layer } = await methods.explain({ ...group, images: noisy, seed: innerSeed }, own);
      const length = attributions.data.length / size;
      moments ??= Array.from({ length: size }, () => noMoments(length, powers));
      moments.forEach((total, i) => {
        addSample(total, attributions.data.subarray(i * length, (i + 1) * length));
      });
      sampled = { shape: attributions.shape.slice(1), layer };
      onProgress?.({ stage: name, done: start * samples + (sample + 1) * size, total: count * samples });
    }
    moments?.forEach((total, i) => {
      take(start + i, total);
    });
  }
  return sampled;
}

function noisyImages(images: Tensor, fill: (into: Float32Array, image: number) => void, clip: boolean): Tensor {
  const noisy = zeros(images.shape);
  const size = images.data.length / images.shape[0]!;
  for (let i = 0; i < images.shape[0]!; i++) fill(noisy.data.subarray(i * size, (i + 1) * size), i);
  for (let k = 0; k < noisy.data.length; k++) {
    const value = images.data[k]! + noisy.data[k]!;
    noisy.data[k] = clip ? Math.min(1, Math.max(0, value)) : value;
  }
  return noisy;
}
