/** @file What is estimated from samples of attributions, and how far off chance may have put it. */
import type { Moments } from './moments.ts';

/** Per element, the estimate and the square of its standard error. */
export interface Estimate {
  readonly values: Float64Array;
  readonly squaredErrors: Float64Array;
}

const estimated = (
  { mean }: Moments,
  value: (k: number) => number,
  squaredError: (k: number, value: number) => number,
): Estimate => {
  const values = mean.map((_, k) => value(k));
  // Rounding may leave a variance of nothing below 0.
  return { values, squaredErrors: values.map((at, k) => Math.max(0, squaredError(k, at))) };
};

/** The mean; needs the second moment. */
export function estimateMean(moments: Moments): Estimate {
  const { count: n, mean, powers } = moments;
  return estimated(
    moments,
    (k) => mean[k]!,
    (k) => powers[0]![k]! / n / (n - 1),
  );
}

/** The mean of the squares; needs the moments up to the fourth. */
export function estimateMeanSquare(moments: Moments): Estimate {
  const { count: n, mean, powers } = moments;
  const [second, third, fourth] = powers;
  return estimated(
    moments,
    (k) => mean[k]! ** 2 + second![k]! / n,
    (k) => {
      const [m1, m2, m3, m4] = [mean[k]!, second![k]! / n, third![k]! / n, fourth![k]! / n];
      return (4 * m1 * m1 * m2 + 4 * m1 * m3 + m4 - m2 * m2) / (n - 1);
    },
  );
}

/**
 * The variance, over n − 1 or n; needs the moments up to the fourth. Its squared error is unbiased, by k-statistics (Kendall
 * & Stuart, The advanced theory of statistics 1, §12.9–12.12); of fewer than four samples, as if they were normal.
 */
export function estimateVariance(moments: Moments, unbiased: boolean): Estimate {
  const { count: n, powers } = moments;
  const [second, , fourth] = powers;
  const factor = unbiased ? 1 : (n - 1) / n;
  return estimated(
    moments,
    (k) => (factor * second![k]!) / (n - 1),
    (k) => {
      const k2 = second![k]! / (n - 1);
      const excess = n * (n + 1) * fourth![k]! - 3 * (n - 1) * second![k]! ** 2;
      const k4 = n > 3 ? excess / ((n - 1) * (n - 2) * (n - 3)) : 0;
      return (factor ** 2 * (2 * n * k2 ** 2 + (n - 1) * k4)) / (n * (n + 1));
    },
  );
}

/** Root mean square of an image's standard errors, over its largest |value|; 0 where all values are. */
export function relativeErrors({ values, squaredErrors }: Readonly<Record<keyof Estimate, ArrayLike<number>>>): number {
  let squares = 0;
  let largest = 0;
  for (let k = 0; k < values.length; k++) {
    squares += squaredErrors[k]!;
    largest = Math.max(largest, Math.abs(values[k]!));
  }
  const rootMeanSquare = Math.sqrt(squares / values.length);
  return rootMeanSquare === 0 ? 0 : rootMeanSquare / largest;
}
