import { fixedBatch } from '../models/batching.ts';
import { rows, zeros } from '../tensor.ts';
import { valuesAt } from './at-images.ts';
import { type Baseline, baselinesOf } from './baseline.ts';
import { checkCount } from './check-count.ts';
import { completenessOf, type Explain } from './explanation.ts';
import { compileMeanGradient } from './mean-gradient.ts';

export interface IntegratedGradients {
  readonly name: 'integrated-gradients';
  readonly steps: number;
  readonly baseline: Baseline;
}

/**
 * (x − baseline) ⊙ mean gradient along the straight line between them. Sundararajan et al. 2017, eq. 1, by the midpoint
 * rule, which on piecewise linear networks is more exact than Gauss–Legendre with as many points.
 */
export const integratedGradients = ({
  steps = 50,
  baseline = 'black',
}: {
  /** Gradients along the line. Default 50. */
  steps?: number;
  /** Default black (zeros); `mean` is each channel's mean over the image. */
  baseline?: Baseline;
} = {}): IntegratedGradients => ({ name: 'integrated-gradients', steps, baseline });

export const explainIntegratedGradients: Explain<IntegratedGradients> = async (task, { steps, baseline }) => {
  checkCount('steps', steps);
  const { classifier, images, of, targetRows, batchSize, signal, onProgress, cost } = task;
  const count = images.shape[0]!;
  const baselines = baselinesOf(task, baseline);
  const size = images.data.length / count;
  const batch = fixedBatch(classifier.description) ?? Math.min(steps, batchSize);
  const meanGradient = await compileMeanGradient(classifier, { of, noisy: false, batch });
  const attributions = zeros(images.shape);
  for (let i = 0; i < count; i++) {
    const path = {
      points: steps,
      origin: rows(baselines, i, i + 1),
      position: (point: number) => (point + 0.5) / steps,
    };
    const mean = await meanGradient(rows(images, i, i + 1), rows(targetRows, i, i + 1), path, {
      signal,
      onPoints: (done) => onProgress?.({ stage: 'integrated-gradients', done: i * steps + done, total: count * steps }),
    });
    const difference = (k: number) => images.data[i * size + k]! - baselines.data[i * size + k]!;
    attributions.data.set(
      mean.map((slope, k) => slope * difference(k)),
      i * size,
    );
    cost.forwards += steps;
    cost.backwards += steps;
  }
  const output = await valuesAt(task);
  const baseOutput = await valuesAt(task, baselines);
  const differences = output.map((value, i) => value - baseOutput[i]!);
  return { attributions, output, baseOutput, certificate: { completeness: completenessOf(attributions, differences) } };
};
