import { describe, expect, it } from 'vitest';
import { clopperPearson, estimateMean, estimateMeanOfFew, percentile } from './statistics.ts';

describe('clopperPearson', () => {
  // Published tables of exact binomial limits (Geigy Scientific Tables; the rule 1 − (α/2)^(1/n) for no success).
  it.each([
    [0, 10, 0.95, 0, 0.3085],
    [1, 20, 0.95, 0.0013, 0.2487],
    [5, 10, 0.95, 0.1871, 0.8129],
    [8, 10, 0.95, 0.4439, 0.9748],
    [10, 10, 0.95, 0.6915, 1],
    [0, 100, 0.99, 0, 1 - 0.005 ** (1 / 100)],
    [10, 100, 0.95, 0.049, 0.1762],
    [0, 0, 0.95, 0, 1],
  ])('%d of %d at %d', (successes, trials, confidence, lower, upper) => {
    const interval = clopperPearson(successes, trials, confidence);
    expect(interval.lower).toBeCloseTo(lower, 4);
    expect(interval.upper).toBeCloseTo(upper, 4);
  });

  it('narrows to the normal approximation', () => {
    const { lower, upper } = clopperPearson(9000, 10_000);
    expect(lower).toBeCloseTo(0.9 - 1.96 * 0.003, 3);
    expect(upper).toBeCloseTo(0.9 + 1.96 * 0.003, 3);
  });

  it.each([
    [-1, 10, 0.95],
    [11, 10, 0.95],
    [0.5, 10, 0.95],
    [5, 10, 1],
  ])('refuses %d of %d at %d', (successes, trials, confidence) => {
    expect(() => clopperPearson(successes, trials, confidence)).toThrow(RangeError);
  });
});

describe('estimateMean', () => {
  it('gives mean, standard error and interval', () => {
    const { mean, standardError, lower, upper } = estimateMean([2, 4, 4, 4, 5, 5, 7, 9]);
    expect(mean).toBe(5);
    expect(standardError).toBeCloseTo(Math.sqrt(32 / 7 / 8), 12);
    expect(upper - mean).toBeCloseTo(1.959964 * standardError, 6);
    expect(mean - lower).toBeCloseTo(upper - mean, 12);
    expect(estimateMean([3])).toEqual({ mean: 3, standardError: 0, lower: 3, upper: 3 });
    expect(() => estimateMean([])).toThrow(RangeError);
  });
});

describe('estimateMeanOfFew', () => {
  // Tables of Student's t.
  it.each([
    [2, 0.95, 12.706],
    [3, 0.95, 4.303],
    [5, 0.95, 2.776],
    [5, 0.99, 4.604],
    [31, 0.95, 2.042],
  ])('of %d values at %f reaches as far as Student’s t', (count, confidence, t) => {
    const values = Array.from({ length: count }, (_, i) => i);
    const { mean, standardError, upper, lower } = estimateMeanOfFew(values, confidence);
    expect(mean).toBeCloseTo((count - 1) / 2, 12);
    expect((upper - mean) / standardError).toBeCloseTo(t, 3);
    expect(mean - lower).toBeCloseTo(upper - mean, 12);
  });

  it('has no width with one value', () => {
    expect(estimateMeanOfFew([3])).toEqual({ mean: 3, standardError: 0, lower: 3, upper: 3 });
    expect(() => estimateMeanOfFew([])).toThrow(RangeError);
  });
});

it('offers percentiles, interpolated as in NumPy', () => {
  expect(percentile([1, 2, 3, 4], 50)).toBe(2.5);
  expect(percentile([10, 20, 30], 99)).toBeCloseTo(29.8, 12);
});
