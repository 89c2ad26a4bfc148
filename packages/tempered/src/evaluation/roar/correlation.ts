/** @file How a score goes with another number of the same models: straight line, correlation, and how sure both are. */
import betaQuantile from '@stdlib/stats-base-dists-beta-quantile';
import { createRandom } from '../../random.ts';
import { spearman } from '../../rank-correlation.ts';
import { type Interval, percentile } from '../../statistics.ts';

export interface Line {
  readonly slope: number;
  readonly intercept: number;
}

/** The straight line of least squares; NaN where all x are equal. */
export function leastSquares(x: readonly number[], y: readonly number[]): Line {
  const { meanX, meanY, xx, xy } = moments(x, y);
  const slope = xy / xx;
  return { slope, intercept: meanY - slope * meanX };
}

/**
 * Pearson's correlation.
 *
 * @returns in [−1, 1]; NaN where all entries of a list are equal
 * @throws RangeError for lists of different lengths
 */
export function pearson(x: readonly number[], y: readonly number[]): number {
  const { xx, yy, xy } = moments(x, y);
  return Math.max(-1, Math.min(1, xy / (Math.sqrt(xx) * Math.sqrt(yy))));
}

function moments(x: readonly number[], y: readonly number[]) {
  if (x.length !== y.length) throw new RangeError(`lists of ${x.length} and ${y.length} entries have no correlation`);
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  let [xx, yy, xy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [x[i]! - meanX, y[i]! - meanY];
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  return { meanX, meanY, xx, yy, xy };
}

/** What |r| of so many unrelated pairs of normal numbers exceeds once in twenty; 1 for fewer than 3. */
export const chanceCorrelation = (count: number): number =>
  // r² of unrelated numbers has a beta distribution.
  count < 3 ? 1 : Math.sqrt(betaQuantile(0.95, 0.5, (count - 2) / 2));

/** Two points always lie on a line: from so many on, a correlation says something. */
const FEWEST_MODELS = 3;

/** Draws of fewer repetitions are too much alike: their interval would be too narrow. */
export const FEWEST_DRAWN = 5;

export interface Correlation {
  /** NaN of fewer than 3 models, and where all scores, or all x, are equal. */
  readonly pearson: number;
  readonly spearman: number;
  readonly line: Line;
  /**
   * 95 % of Pearson's correlations of means over the repetitions, drawn with replacement. It holds the chance of retraining,
   * not that of which models were trained. Undefined with fewer than 5 repetitions.
   */
  readonly interval?: Interval;
}

const RESAMPLES = 2000;

/**
 * Correlation of scores with another number of the same models. Of several repetitions, the mean counts.
 *
 * @param x one number a model
 * @param scores by repetition, one score a model
 * @param seed of the bootstrap
 */
export function correlate(x: readonly number[], scores: readonly (readonly number[])[], seed: number): Correlation {
  const meansOf = (chosen: readonly (readonly number[])[]) =>
    x.map((_, model) => chosen.reduce((sum, each) => sum + each[model]!, 0) / chosen.length);
  const means = meansOf(scores);
  if (x.length < FEWEST_MODELS) {
    const unknown = Number.NaN;
    return { pearson: unknown, spearman: unknown, line: { slope: unknown, intercept: unknown } };
  }
  const found = { pearson: pearson(x, means), spearman: spearman(x, means), line: leastSquares(x, means) };
  if (scores.length < FEWEST_DRAWN) return found;
  const random = createRandom(seed, 'bootstrap');
  const drawn = Array.from({ length: RESAMPLES }, () =>
    pearson(x, meansOf(scores.map(() => scores[random.integer(scores.length)]!))),
  ).filter(Number.isFinite);
  if (drawn.length === 0) return found;
  return { ...found, interval: { lower: percentile(drawn, 2.5), upper: percentile(drawn, 97.5) } };
}
