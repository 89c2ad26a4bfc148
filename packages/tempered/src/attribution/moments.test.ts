import { expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import { addMoments, addSample, noMoments } from './moments.ts';
import { estimateMean, estimateMeanSquare, estimateVariance, relativeErrors } from './standard-error.ts';

const random = createRandom(3);
/** Far from 0, so that sums of squares would lose all digits. */
const samples = Array.from({ length: 11 }, () => Float64Array.of(1e6 + random.normal(), random.uniform() ** 3));

const sumOfPowers = (element: number, power: number) => {
  const values = samples.map((sample) => sample[element]!);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** power, 0);
};

it('moments of parts add up to the moments of the whole', () => {
  const total = noMoments(2, 3);
  for (const [start, end] of [
    [0, 4],
    [4, 5],
    [5, 11],
  ] as const) {
    const part = noMoments(2, 3);
    for (const sample of samples.slice(start, end)) addSample(part, sample);
    addMoments(total, part);
  }
  expect(total.count).toBe(11);
  for (const element of [0, 1])
    for (const power of [2, 3, 4])
      expect(total.powers[power - 2]![element]).toBeCloseTo(sumOfPowers(element, power), 6);
});

it('standard errors are those found by repeating the estimate', () => {
  const [repeats, count] = [4000, 20];
  const estimators = {
    mean: estimateMean,
    'mean square': estimateMeanSquare,
    variance: (moments: Parameters<typeof estimateMean>[0]) => estimateVariance(moments, true),
  };
  // A skewed distribution: the third moment counts. Mean 1/3, mean square 1/5, variance 4/45.
  const truth = { mean: 1 / 3, 'mean square': 1 / 5, variance: 4 / 45 };
  const draws = Array.from({ length: repeats }, (_, repeat) => {
    const moments = noMoments(1, 3);
    const drawn = createRandom(5, repeat);
    for (let k = 0; k < count; k++) addSample(moments, Float64Array.of(drawn.uniform() ** 2));
    return moments;
  });
  for (const [name, estimate] of Object.entries(estimators)) {
    const estimates = draws.map(estimate);
    const average = (of: (one: (typeof estimates)[0]) => number) =>
      estimates.reduce((sum, one) => sum + of(one), 0) / repeats;
    const expected = truth[name as keyof typeof truth];
    expect(Math.abs(average(({ values }) => values[0]!) / expected - 1)).toBeLessThan(0.02);
    const spread = average(({ values }) => (values[0]! - expected) ** 2);
    expect(Math.abs(average(({ squaredErrors }) => squaredErrors[0]!) / spread - 1)).toBeLessThan(0.12);
  }
});

it('the error of a map is relative to its largest value', () => {
  expect(relativeErrors({ values: Float64Array.of(-4, 1), squaredErrors: Float64Array.of(0.5, 1.5) })).toBe(0.25);
  expect(relativeErrors({ values: Float64Array.of(0), squaredErrors: Float64Array.of(0) })).toBe(0);
});
