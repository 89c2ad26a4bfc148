import { checkCount } from '../../attribution/check-count.ts';
import { UsageError } from '../../errors.ts';
import { createRandom } from '../../random.ts';
import { rows, type Tensor, zeros } from '../../tensor.ts';
import type { MeasureKind, MeasureTask } from './measure.ts';

export interface MaxSensitivity {
  readonly name: 'max-sensitivity';
  readonly radius: number;
  readonly samples: number;
}

export interface MaxSensitivityOptions {
  /** Of the maximum norm, in pixel units. Default 0.02. */
  radius?: number;
  /** Perturbed copies of each image. Default 10. */
  samples?: number;
}

/**
 * Largest change of the map, ‖Φ(x + δ) − Φ(x)‖₂ / ‖Φ(x)‖₂, over random δ in the maximum-norm ball. Yeh et al. 2019,
 * definition 3.1, over the norm as in their code and Captum. Images are kept in [0, 1]. NaN for a map of zeros. Low is
 * better, but a map that never changes has the best score of all: it says that maps are steady, not that they are right.
 */
export function maxSensitivity({ radius = 0.02, samples = 10 }: MaxSensitivityOptions = {}): MaxSensitivity {
  checkCount('samples', samples);
  if (!(radius > 0)) throw new UsageError(`the radius must be above 0, not ${radius}`);
  return { name: 'max-sensitivity', radius, samples };
}

/** The largest change over perturbations that are given, each [N, ...], on the images. */
export async function largestChange(
  { attributions, explain }: { attributions: Tensor; explain: (images: Tensor) => Promise<Tensor> },
  perturbed: Iterable<Tensor>,
): Promise<Float64Array> {
  const count = attributions.shape[0]!;
  const norms = rowNorms(attributions, zeros(attributions.shape));
  const largest = new Float64Array(count).map((_, n) => (norms[n] === 0 ? Number.NaN : 0));
  for (const images of perturbed) {
    const changes = rowNorms(await explain(images), attributions);
    // The maximum with NaN is NaN.
    for (let n = 0; n < count; n++) largest[n] = Math.max(largest[n]!, changes[n]! / norms[n]!);
  }
  return largest;
}

/** ‖a − b‖₂ of each row. */
function rowNorms(a: Tensor, b: Tensor): Float64Array {
  return Float64Array.from({ length: a.shape[0]! }, (_, n) => {
    const [first, second] = [rows(a, n, n + 1).data, rows(b, n, n + 1).data];
    return Math.sqrt(first.reduce((sum, value, i) => sum + (value - second[i]!) ** 2, 0));
  });
}

function* perturb(
  { images, seed, imageNumbers, signal, onProgress }: MeasureTask,
  { radius, samples }: MaxSensitivity,
): Generator<Tensor> {
  for (let k = 0; k < samples; k++) {
    signal?.throwIfAborted();
    const noise = zeros(images.shape);
    for (let n = 0; n < images.shape[0]!; n++)
      createRandom(seed, 'max-sensitivity', imageNumbers[n]!, k).fillUniform(
        rows(noise, n, n + 1).data,
        -radius,
        radius,
      );
    yield {
      shape: images.shape,
      data: images.data.map((value, i) => Math.min(1, Math.max(0, value + noise.data[i]!))),
    };
    onProgress?.({ stage: 'max-sensitivity', done: k + 1, total: samples });
  }
}

export const maxSensitivityKind: MeasureKind<MaxSensitivity> = {
  summary: 'how far the map changes under small random perturbations',
  score: async (task, measure) =>
    largestChange({ attributions: task.attributions, explain: task.explain! }, perturb(task, measure)),
  better: () => 'lower',
  over: 'mean',
  needs: ['explain'],
  acrossModels: () => true,
  control: () => 'stability',
  protocol: ({ radius, samples }) =>
    `largest ‖Φ(x + δ) − Φ(x)‖₂ / ‖Φ(x)‖₂ over ${samples} uniform draws of δ in the ball of radius ${radius} in the maximum norm, images kept in [0, 1] (Yeh et al. 2019)`,
};
