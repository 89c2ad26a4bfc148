/** @file Shapley values as the weighted least squares that they solve. */
import { UsageError } from '../../errors.ts';
import type { Random } from '../../random.ts';
import { checkCount } from '../check-count.ts';
import type { Explain } from '../explanation.ts';
import { explainByFeatures, type Solution } from './by-features.ts';
import type { FeatureBaseline, Features } from './features.ts';
import type { Game } from './game.ts';
import { chooseCoalitions, type WeightedCoalitions } from './kernel-shap-coalitions.ts';
import { addOuter, checkUnknowns, cholesky, dot, solveWith } from './least-squares.ts';

export interface KernelShap {
  readonly name: 'kernel-shap';
  /** Undefined: 2 · features + 2048. */
  readonly samples?: number;
  readonly features?: Features;
  readonly baseline: FeatureBaseline;
}

/**
 * Shapley values by Kernel SHAP (Lundberg & Lee 2017, theorem 2): the additive model nearest to what is explained, over
 * coalitions of features weighed by the Shapley kernel, that is exact at the image and at the baseline. With as many
 * samples as there are coalitions (2^features − 2) these are the exact values; with fewer, the certificate has the
 * standard error. They always add up to f(x) − f(baseline).
 *
 * @example
 * await attribute(classifier, { images, method: kernelShap({ samples: 1000, features: { superpixels: 64 } }) });
 */
export const kernelShap = ({
  samples,
  features,
  baseline = 'black',
}: {
  /** Evaluations an image, at least 4 a feature or all coalitions. Default 2 · features + 2048. */
  samples?: number;
  /** Default: at most 50 superpixels of an image, the channels of a layer's feature map, single elements of anything else. */
  features?: Features;
  /** Default black (zeros). */
  baseline?: FeatureBaseline;
} = {}): KernelShap => ({
  name: 'kernel-shap',
  ...(samples !== undefined && { samples }),
  ...(features !== undefined && { features }),
  baseline,
});

export const explainKernelShap: Explain<KernelShap> = async (task, { name, samples, features, baseline }) => {
  if (samples !== undefined) checkCount('samples', samples);
  return explainByFeatures(task, { name, features, superpixels: 50, baseline, complete: true }, (game, random) =>
    solveKernelShap(game, samples ?? 2 * game.features + 2048, random),
  );
};

async function solveKernelShap(game: Game, samples: number, random: Random): Promise<Solution> {
  const { features, all, none } = game;
  checkUnknowns('Kernel SHAP', features);
  const gain = all - none;
  if (features === 1) return { values: [gain], squaredErrors: [0] };
  if (samples < Math.min(4 * features, 2 ** features - 2))
    throw new UsageError(
      `Kernel SHAP of ${features} features needs at least ${Math.min(4 * features, 2 ** features - 2)} samples, not ${samples}`,
    );
  const coalitions = chooseCoalitions(features, samples, random);
  const { kept, weights } = coalitions;
  const values = await game.values(weights.length, (index, into) =>
    into.set(kept.subarray(index * features, (index + 1) * features)),
  );
  const matrix = new Float64Array(features * features);
  const right = new Float64Array(features);
  weights.forEach((weight, k) => {
    const row = kept.subarray(k * features, (k + 1) * features);
    addOuter(matrix, row, weight);
    const target = weight * (values[k]! - none);
    for (let j = 0; j < features; j++) right[j]! += target * row[j]!;
  });
  // Single features are among the coalitions, so the matrix is positive definite.
  const lower = cholesky(matrix, features)!;
  // Least squares under the condition that the values add up to the gain: a Lagrange multiplier.
  const free = solveWith(lower, right);
  const ones = solveWith(lower, new Float64Array(features).fill(1));
  const total = (v: Float64Array) => v.reduce((a, b) => a + b, 0);
  const onesTotal = total(ones);
  const constrained = (v: Float64Array, sum: number) => {
    const excess = (total(v) - sum) / onesTotal;
    return v.map((value, j) => value - excess * ones[j]!);
  };
  const solution = constrained(free, gain);
  const residuals = Float64Array.from(
    values,
    (value, k) => value - none - dot(kept.subarray(k * features, (k + 1) * features), solution),
  );
  const influence = (pull: Float64Array) => constrained(solveWith(lower, pull), 0);
  return { values: solution, squaredErrors: squaredErrors(coalitions, residuals, features, influence) };
}

/**
 * Errors by the delta method: each pair drawn pulls at the equations by its weighted residuals, and the spread of the
 * pulls, carried over to the solution, is that of the estimate. Coalitions that are all there pull the same every time.
 */
function squaredErrors(
  { kept, weights, drawnFrom }: WeightedCoalitions,
  residuals: Float64Array,
  features: number,
  influence: (pull: Float64Array) => Float64Array,
): Float64Array {
  const pairs = (weights.length - drawnFrom) / 2;
  const sums = new Float64Array(features);
  const squares = new Float64Array(features);
  for (let k = drawnFrom; k < weights.length; k += 2) {
    const pull = new Float64Array(features);
    for (let member = k; member < k + 2; member++)
      for (let j = 0; j < features; j++)
        pull[j]! += weights[member]! * residuals[member]! * kept[member * features + j]!;
    influence(pull).forEach((value, j) => {
      sums[j]! += value;
      squares[j]! += value * value;
    });
  }
  if (pairs < 2) return sums.fill(0);
  // A sum of `pairs` independent pulls.
  return squares.map((square, j) => Math.max(0, square - (sums[j]! * sums[j]!) / pairs) * (pairs / (pairs - 1)));
}
