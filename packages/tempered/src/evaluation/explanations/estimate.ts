/** @file One number for all images, with its interval. */
import { createRandom } from '../../random.ts';
import { clopperPearson, percentile } from '../../statistics.ts';
import type { MeasureKind } from './measure.ts';

export interface Estimate {
  /** Null where no image has the measure. */
  readonly value: number | null;
  /** Of the 95% interval; left out where a single image has the measure: its spread is not known. */
  readonly lower?: number;
  readonly upper?: number;
  /** Images that have the measure. */
  readonly count: number;
  /** Images that do not: the measure is not defined for them. */
  readonly undefinedCount: number;
}

const RESAMPLES = 1000;

/**
 * Mean or median over images with the 2.5th and 97.5th percentile of 1000 bootstrap samples (Efron 1979); a share of ones
 * with the exact interval of Clopper and Pearson.
 *
 * @param values NaN where the measure is not defined
 * @param seed of the bootstrap
 */
export function estimate(values: ArrayLike<number>, over: MeasureKind<unknown>['over'], seed: number): Estimate {
  const known = Float64Array.from(values).filter((value) => !Number.isNaN(value));
  const [count, undefinedCount] = [known.length, values.length - known.length];
  if (count === 0) return { value: null, count, undefinedCount };
  const value = over === 'median' ? median(known) : mean(known);
  if (over === 'share') return { value, ...clopperPearson(Math.round(value * count), count), count, undefinedCount };
  if (count === 1) return { value, count, undefinedCount };
  const random = createRandom(seed, 'bootstrap');
  const drawn = new Float64Array(count);
  const estimates = Float64Array.from({ length: RESAMPLES }, () => {
    for (let i = 0; i < count; i++) drawn[i] = known[random.integer(count)]!;
    return over === 'median' ? median(drawn) : mean(drawn);
  });
  const [lower, upper] = [percentile(estimates, 2.5), percentile(estimates, 97.5)];
  return { value, lower, upper, count, undefinedCount };
}

const mean = (values: Float64Array): number => values.reduce((a, b) => a + b, 0) / values.length;

const median = (values: Float64Array): number => percentile(values, 50);
