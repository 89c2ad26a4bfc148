import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from './random.ts';
import { averageRanks, kendallTau, spearman, topIntersection } from './rank-correlation.ts';

/** By definition, pair by pair. */
function pairByPair(a: readonly number[], b: readonly number[]): number {
  let [difference, untiedFirst, untiedSecond] = [0, 0, 0];
  for (let i = 0; i < a.length; i++)
    for (let j = 0; j < i; j++) {
      const [first, second] = [Math.sign(a[i]! - a[j]!), Math.sign(b[i]! - b[j]!)];
      difference += first * second;
      untiedFirst += Math.abs(first);
      untiedSecond += Math.abs(second);
    }
  return difference / Math.sqrt(untiedFirst * untiedSecond);
}

describe("Kendall's τ", () => {
  // Values that scipy.stats.kendalltau documents or gives for these lists.
  it.each([
    ['the example of SciPy', [12, 2, 1, 12, 2], [1, 4, 7, 1, 0], -0.47140452079103173],
    ['the same order', [1, 2, 3], [2, 4, 9], 1],
    ['the opposite order', [1, 2, 3], [9, 4, 2], -1],
  ])('of %s', (_, a, b, expected) => expect(kendallTau(a, b)).toBeCloseTo(expected, 12));

  it('counts pairs, with and without ties', () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 60 }).chain((length) => {
          const list = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: length, maxLength: length });
          return fc.tuple(list, list);
        }),
        ([a, b]) => {
          const expected = pairByPair(a, b);
          if (Number.isNaN(expected)) expect(kendallTau(a, b)).toBeNaN();
          else expect(kendallTau(a, b)).toBeCloseTo(expected, 10);
        },
      ),
    ));

  it('of a list of equals is no number', () => expect(kendallTau([1, 1, 1], [1, 2, 3])).toBeNaN());

  it('refuses lists of different lengths', () => {
    expect(() => kendallTau([1], [1, 2])).toThrow(RangeError);
  });
});

describe("Spearman's ρ", () => {
  // The first is the example in the documentation of scipy.stats.spearmanr.
  it.each([
    ['the example of SciPy', [1, 2, 3, 4, 5], [5, 6, 7, 8, 7], 0.8207826816681233],
    ['the same order', [1, 2, 3], [2, 4, 9], 1],
    ['the opposite order', [1, 2, 3], [9, 4, 2], -1],
  ])('of %s', (_, a, b, expected) => expect(spearman(a, b)).toBeCloseTo(expected, 12));

  it('without ties is 1 − 6 Σ d² / (n³ − n)', () =>
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), fc.integer(), (count, seed) => {
        const [a, b] = [1, 2].map((stream) => [...createRandom(seed, stream).shuffle(count)]) as [number[], number[]];
        const squares = a.reduce((sum, rank, i) => sum + (rank - b[i]!) ** 2, 0);
        expect(spearman(a, b)).toBeCloseTo(1 - (6 * squares) / (count ** 3 - count), 10);
      }),
    ));

  it('gives equals the mean of their places', () =>
    expect([...averageRanks([3, 1, 3, 2, 3])]).toEqual([4, 1, 4, 2, 4]));

  it('of a list of equals is no number', () => expect(spearman([1, 1, 1], [1, 2, 3])).toBeNaN());
});

it('topIntersection is the share of common largest entries', () => {
  expect(topIntersection([5, 4, 3, 2, 1], [1, 9, 8, 0, 7], 3)).toBeCloseTo(2 / 3, 12);
  expect(topIntersection([1, 1, 1, 0], [1, 1, 1, 0], 2)).toBe(1);
});
