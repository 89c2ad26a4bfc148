/** @file The intervals and averages that stand beside every figure. */

import betaQuantile from '@stdlib/stats-base-dists-beta-quantile';
import { normalQuantile } from './random.ts';

export { percentile } from './image/percentile.ts';

export interface Interval {
  readonly lower: number;
  readonly upper: number;
}

/**
 * The exact interval for a proportion (Clopper and Pearson, Biometrika 26, 1934): it holds the true value with at least
 * the given confidence, however few the trials.
 *
 * @returns bounds in [0, 1]; [0, 1] itself when there were no trials
 * @throws RangeError unless 0 ≤ successes ≤ trials, both whole, and 0 < confidence < 1
 * @example
 * clopperPearson(8, 10); // { lower: 0.4439, upper: 0.9748 }
 */
export function clopperPearson(successes: number, trials: number, confidence = 0.95): Interval {
  if (!Number.isInteger(successes) || !Number.isInteger(trials) || successes < 0 || successes > trials) {
    throw new RangeError(`${successes} successes in ${trials} trials is not a count`);
  }
  const tail = tailOf(confidence);
  return {
    lower: successes === 0 ? 0 : betaQuantile(tail, successes, trials - successes + 1),
    upper: successes === trials ? 1 : betaQuantile(1 - tail, successes + 1, trials - successes),
  };
}

export interface MeanEstimate extends Interval {
  readonly mean: number;
  /** Of the mean: the sample's standard deviation (n − 1) over √n; 0 for a single value. */
  readonly standardError: number;
}

/**
 * The mean of a sample with its standard error and the interval of the normal approximation.
 *
 * @throws RangeError for an empty sample, or a confidence outside (0, 1)
 */
export function estimateMean(values: ArrayLike<number>, confidence = 0.95): MeanEstimate {
  return meanWithin(values, normalQuantile(1 - tailOf(confidence)));
}

/**
 * The mean of a few values with its standard error and Student's t interval, exact for normal values.
 *
 * @throws RangeError for an empty sample, or a confidence outside (0, 1)
 * @example
 * estimateMeanOfFew([1, 2, 3]); // 2 ± 2.484
 */
export function estimateMeanOfFew(values: ArrayLike<number>, confidence = 0.95): MeanEstimate {
  const tail = tailOf(confidence);
  const freedom = values.length - 1;
  // t² / (t² + n − 1) of Student's t has a beta distribution.
  const share = freedom > 0 ? betaQuantile(1 - 2 * tail, 0.5, freedom / 2) : 0;
  return meanWithin(values, Math.sqrt((freedom * share) / (1 - share)));
}

/** The interval reaches as many standard errors to both sides. */
function meanWithin(values: ArrayLike<number>, errors: number): MeanEstimate {
  const count = values.length;
  if (count === 0) throw new RangeError('A mean needs at least one value');
  let sum = 0;
  for (let i = 0; i < count; i++) sum += values[i]!;
  const mean = sum / count;
  let squares = 0;
  for (let i = 0; i < count; i++) squares += (values[i]! - mean) ** 2;
  const standardError = count > 1 ? Math.sqrt(squares / (count - 1) / count) : 0;
  const reach = standardError * errors;
  return { mean, standardError, lower: mean - reach, upper: mean + reach };
}

function tailOf(confidence: number): number {
  if (!(confidence > 0 && confidence < 1))
    throw new RangeError(`confidence must lie between 0 and 1, not ${confidence}`);
  return (1 - confidence) / 2;
}
