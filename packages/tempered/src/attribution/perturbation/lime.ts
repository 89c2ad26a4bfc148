/** @file LIME: a weighted linear model of what is explained around an image. */
import { UsageError } from '../../errors.ts';
import type { Random } from '../../random.ts';
import { checkCount } from '../check-count.ts';
import type { Explain } from '../explanation.ts';
import { explainByFeatures, type Solution } from './by-features.ts';
import type { FeatureBaseline, Features } from './features.ts';
import type { Game } from './game.ts';
import { addOuter, checkUnknowns, cholesky, dot, solveWith } from './least-squares.ts';

export interface Lime {
  readonly name: 'lime';
  readonly samples: number;
  readonly kernelWidth: number;
  readonly ridge: number;
  readonly features?: Features;
  readonly baseline?: FeatureBaseline;
}

/**
 * Weights of a linear model of what is explained, fitted to copies of the image in which each feature is kept or removed
 * with equal chance (Ribeiro et al. 2016, algorithm 1, with the numbers of their implementation): a copy that keeps k of
 * K features is d = 1 − √(k / K) away in cosine and weighs √exp(−d² / width²). The fit is solved directly, with an
 * intercept and a ridge penalty on the weights. The certificate has the standard errors and the fit's R².
 *
 * @example
 * await attribute(classifier, { images, method: lime({ samples: 500 }), of: 'probability' });
 */
export const lime = ({
  samples = 1000,
  kernelWidth = 0.25,
  ridge = 1,
  features,
  baseline,
}: {
  /** Evaluations an image; the first one is the image itself. Default 1000. */
  samples?: number;
  /** Reach of the kernel in cosine distance, above 0. Default 0.25. */
  kernelWidth?: number;
  /** Penalty α |w|² beside Σ weight · error²; 0 for plain least squares. Default 1. */
  ridge?: number;
  /** Default: at most 50 superpixels of an image, the channels of a layer's feature map, single elements of anything else. */
  features?: Features;
  /** Default: the mean colour of each feature; black (zeros) where a feature is one value. */
  baseline?: FeatureBaseline;
} = {}): Lime => ({
  name: 'lime',
  samples,
  kernelWidth,
  ridge,
  ...(features !== undefined && { features }),
  ...(baseline !== undefined && { baseline }),
});

export const explainLime: Explain<Lime> = async (task, method) => {
  const { name, samples, kernelWidth, ridge, features, baseline } = method;
  checkCount('samples', samples);
  if (!(kernelWidth > 0)) throw new UsageError(`the kernel width must be above 0, not ${kernelWidth}`);
  if (!(ridge >= 0 && ridge < Number.POSITIVE_INFINITY)) throw new UsageError(`ridge must be 0 or more, not ${ridge}`);
  return explainByFeatures(task, { name, features, superpixels: 50, baseline, complete: false }, (game, random) =>
    solveLime(game, method, random),
  );
};

async function solveLime(
  { features, all, values }: Game,
  { samples, kernelWidth, ridge }: Lime,
  random: Random,
): Promise<Solution> {
  checkUnknowns('LIME', features);
  const kept = new Uint8Array(samples * features).fill(1);
  for (let i = features; i < kept.length; i++) kept[i] = random.bits() >>> 31;
  const row = (k: number) => kept.subarray(k * features, (k + 1) * features);
  const others = samples === 1 ? [] : await values(samples - 1, (index, into) => into.set(row(index + 1)));
  const targets = Float64Array.from([all, ...others]);
  const weights = targets.map((_, k) => {
    const distance = 1 - Math.sqrt(dot(row(k), row(k)) / features);
    return Math.sqrt(Math.exp(-((distance / kernelWidth) ** 2)));
  });
  const fit = fitRidge({ row, targets, weights, features, ridge });
  if (fit === undefined)
    throw new UsageError(
      `${samples} samples do not determine the weights of ${features} features: take more samples, or a ridge above 0`,
    );
  return fit;
}

interface Regression {
  row(sample: number): ArrayLike<number>;
  readonly targets: Float64Array;
  readonly weights: Float64Array;
  readonly features: number;
  readonly ridge: number;
}

/** Weighted least squares with a penalty on all but the intercept; undefined when there is no one solution. */
function fitRidge({ row, targets, weights, features, ridge }: Regression): Solution | undefined {
  const total = weights.reduce((a, b) => a + b, 0);
  const mean = dot(weights, targets) / total;
  const means = new Float64Array(features);
  weights.forEach((weight, k) => {
    const regressors = row(k);
    for (let j = 0; j < features; j++) means[j]! += (weight * regressors[j]!) / total;
  });
  // Taking the means off everything leaves a regression without an intercept.
  const centred = (k: number) => Float64Array.from(row(k), (value, j) => value - means[j]!);
  const matrix = new Float64Array(features * features);
  const right = new Float64Array(features);
  weights.forEach((weight, k) => {
    const regressors = centred(k);
    addOuter(matrix, regressors, weight);
    for (let j = 0; j < features; j++) right[j]! += weight * (targets[k]! - mean) * regressors[j]!;
  });
  for (let j = 0; j < features; j++) matrix[j * features + j]! += ridge;
  const lower = cholesky(matrix, features);
  if (lower === undefined) return undefined;
  const values = solveWith(lower, right);
  // Huber's sandwich: each sample pulls at the equations by its weighted residual.
  const squares = new Float64Array(features);
  let unexplained = 0;
  let spread = 0;
  weights.forEach((weight, k) => {
    const regressors = centred(k);
    const residual = targets[k]! - mean - dot(regressors, values);
    unexplained += weight * residual * residual;
    spread += weight * (targets[k]! - mean) ** 2;
    const influence = solveWith(
      lower,
      regressors.map((value) => value * weight * residual),
    );
    influence.forEach((value, j) => {
      squares[j]! += value * value;
    });
  });
  return { values, squaredErrors: squares, fit: spread === 0 ? 1 : 1 - unexplained / spread };
}
