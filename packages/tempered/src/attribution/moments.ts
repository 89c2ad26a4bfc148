/** @file Mean and central moments of arrays of samples, added up a batch at a time. */

/** Of `count` samples of an array: its mean, and per element Σ (sample − mean)^k for k = 2, 3, 4, as many as are asked for. */
export interface Moments {
  count: number;
  readonly mean: Float64Array;
  /** powers[0] is for k = 2. */
  readonly powers: readonly Float64Array[];
}

export const noMoments = (size: number, powers: number): Moments => ({
  count: 0,
  mean: new Float64Array(size),
  powers: Array.from({ length: powers }, () => new Float64Array(size)),
});

/**
 * Adds the samples of `part` to `total`, in place. Chan, Golub & LeVeque 1979 for the variance; Pébay 2008, "Formulas for
 * robust, one-pass parallel computation of covariances and arbitrary-order statistical moments", eqs. 2.1 and 2.2.
 */
export function addMoments(total: Moments, part: Moments): void {
  const [a, b] = [total.count, part.count];
  const n = a + b;
  const [second, third, fourth] = total.powers;
  const [partSecond, partThird, partFourth] = part.powers;
  for (let k = 0; k < total.mean.length; k++) {
    const shift = (part.mean[k]! - total.mean[k]!) / n;
    const [m2, p2] = [second?.[k] ?? 0, partSecond?.[k] ?? 0];
    const [m3, p3] = [third?.[k] ?? 0, partThird?.[k] ?? 0];
    total.mean[k]! += b * shift;
    if (second) second[k] = m2 + p2 + a * b * n * shift ** 2;
    if (third) third[k] = m3 + p3 + a * b * (a - b) * n * shift ** 3 + 3 * shift * (a * p2 - b * m2);
    if (fourth)
      fourth[k]! +=
        partFourth![k]! +
        a * b * (a * a - a * b + b * b) * n * shift ** 4 +
        6 * shift ** 2 * (a * a * p2 + b * b * m2) +
        4 * shift * (a * p3 - b * m3);
  }
  total.count = n;
}

/** Adds one sample. */
export const addSample = (total: Moments, sample: Float64Array | Float32Array): void =>
  addMoments(total, {
    count: 1,
    mean: Float64Array.from(sample),
    powers: total.powers.map(() => new Float64Array(sample.length)),
  });
