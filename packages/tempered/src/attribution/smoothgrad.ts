import { UsageError } from '../errors.ts';
import { fixedBatch } from '../models/batching.ts';
import { createRandom } from '../random.ts';
import { rows, zeros } from '../tensor.ts';
import { valuesAt } from './at-images.ts';
import { checkCount } from './check-count.ts';
import type { Explain } from './explanation.ts';
import { compileMeanGradient } from './mean-gradient.ts';

export interface SmoothGrad {
  readonly name: 'smoothgrad';
  readonly samples: number;
  readonly sigma: number;
}

/** Mean gradient at noisy copies of the input. Smilkov et al. 2017. */
export const smoothGrad = ({
  samples = 50,
  sigma = 0.15,
}: {
  /** Default 50. */
  samples?: number;
  /** Standard deviation of the noise as a share of the input's range (largest minus smallest value). Default 0.15. */
  sigma?: number;
} = {}): SmoothGrad => ({
  name: 'smoothgrad',
  samples,
  sigma,
});

export const explainSmoothGrad: Explain<SmoothGrad> = async (task, { samples, sigma }) => {
  checkCount('samples', samples);
  if (!(sigma >= 0 && sigma < Number.POSITIVE_INFINITY)) throw new UsageError(`sigma must be 0 or more, not ${sigma}`);
  const { classifier, images, of, targetRows, seed, imageNumbers, batchSize, signal, onProgress, cost } = task;
  const batch = fixedBatch(classifier.description) ?? Math.min(samples, batchSize);
  const meanGradient = await compileMeanGradient(classifier, { of, noisy: sigma > 0, batch });
  const attributions = zeros(images.shape);
  const count = images.shape[0]!;
  for (let i = 0; i < count; i++) {
    const image = rows(images, i, i + 1);
    const random = createRandom(seed, 'smoothgrad', imageNumbers[i]!);
    const range = image.data.reduce((a, b) => Math.max(a, b)) - image.data.reduce((a, b) => Math.min(a, b));
    const cloud = { points: samples, origin: image, position: () => 1 };
    const noise = (into: Float32Array) => random.fillNormal(into, 0, sigma * range);
    const mean = await meanGradient(image, rows(targetRows, i, i + 1), sigma > 0 ? { ...cloud, noise } : cloud, {
      signal,
      onPoints: (done) => onProgress?.({ stage: 'smoothgrad', done: i * samples + done, total: count * samples }),
    });
    attributions.data.set(mean, i * image.data.length);
    cost.forwards += samples;
    cost.backwards += samples;
  }
  return { attributions, output: await valuesAt(task) };
};
