import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromArrays } from '../../data/dataset.ts';
import { createRandom } from '../../random.ts';
import { percentile } from '../../statistics.ts';
import {
  bandsByRank,
  bandsByThreshold,
  bernoulliMasks,
  checkPercentiles,
  countAt,
  MODES,
  replacedIn,
} from './bands.ts';
import { chanceCorrelation, correlate, leastSquares, pearson } from './correlation.ts';
import { addTieNoise, heatMap, TIE_NOISE } from './heat-map.ts';
import { channelMeans, occluded, truncatedToByte } from './occlusion.ts';
import { occlusionScore, trapezoid } from './scores.ts';

const PERCENTILES = [10, 30, 50, 70, 90];
const count = (marks: Uint8Array) => marks.reduce((a, b) => a + b, 0);

describe('heat maps', () => {
  it('sum magnitudes over the channels of a pixel, or leave every channel by itself', () => {
    const attribution = [1, -2, 3, -4, 5, -6];
    expect([...heatMap(attribution, 3)]).toEqual([1 + 3 + 5, 2 + 4 + 6]);
    expect([...heatMap(attribution, 3, 'sub-pixel-squared')]).toEqual([1, 4, 9, 16, 25, 36]);
    expect([...heatMap(attribution, 3, 'sub-pixel-signed')]).toEqual(attribution);
  });

  it('lose their ties to noise that changes no other order', () => {
    const values = addTieNoise(new Float64Array([0, 0, 0, 1, 1]), createRandom(1));
    expect(new Set(values).size).toBe(5);
    expect(Math.max(...values)).toBeLessThan(1 + TIE_NOISE);
    expect(Math.max(...values.slice(0, 3))).toBeLessThan(TIE_NOISE);
  });
});

describe('bands', () => {
  // Few distinct values, so that thresholds meet ties and values.
  const maps = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 40 });

  it('by threshold replace what is above (ROAR) or below (KAR) the percentile, and never the threshold itself', () => {
    fc.assert(
      fc.property(maps, (values) => {
        const bands = bandsByThreshold(Float64Array.from(values), PERCENTILES);
        for (const [index, p] of PERCENTILES.entries()) {
          const threshold = percentile(values, 100 - p);
          expect([...replacedIn(bands, 'roar', index)]).toEqual(values.map((value) => Number(value > threshold)));
          expect([...replacedIn(bands, 'kar', index)]).toEqual(values.map((value) => Number(value < threshold)));
        }
      }),
    );
  });

  it('by rank replace exact counts, whatever the ties: the largest in ROAR, all others in KAR', () => {
    fc.assert(
      fc.property(maps, fc.integer(), (values, seed) => {
        const bands = bandsByRank(Float64Array.from(values), PERCENTILES, createRandom(seed));
        for (const [index, p] of PERCENTILES.entries()) {
          const removed = replacedIn(bands, 'roar', index);
          const kept = replacedIn(bands, 'kar', index).map((mark) => 1 - mark);
          expect(kept).toEqual(removed);
          expect(count(removed)).toBe(Math.floor((p * values.length) / 100));
          const inside = values.filter((_, i) => removed[i] === 1);
          const outside = values.filter((_, i) => removed[i] === 0);
          expect(Math.min(...inside)).toBeGreaterThanOrEqual(Math.max(...outside));
        }
      }),
    );
  });

  it('count exactly at the sizes of the data sets', () => {
    for (const size of [784, 1024]) {
      const values = Float64Array.from({ length: size }, () => 0);
      const bands = bandsByRank(values, PERCENTILES, createRandom(2));
      PERCENTILES.forEach((p, index) => {
        expect(count(replacedIn(bands, 'roar', index))).toBe(countAt(p, size));
        expect(count(replacedIn(bands, 'kar', index))).toBe(size - countAt(p, size));
      });
    }
    // Without ties the published rule is one pixel off at most: a percentile of n values lies between two of them.
    const distinct = Float64Array.from(createRandom(3).shuffle(784));
    const bands = bandsByThreshold(distinct, PERCENTILES);
    expect(PERCENTILES.map((_, index) => count(replacedIn(bands, 'roar', index)))).toEqual([79, 235, 392, 549, 705]);
  });

  it('throw masks that replace the share asked for in the mean, image by image the same', () => {
    const random = createRandom(4);
    for (const mode of MODES) {
      const masks = bernoulliMasks(200, { area: 784, percentile: 30, mode, random });
      const share = mode === 'roar' ? 0.3 : 0.7;
      // Five standard deviations of a proportion.
      expect(Math.abs(count(masks) / masks.length - share)).toBeLessThan(5 * Math.sqrt((0.3 * 0.7) / masks.length));
      expect(masks.subarray(0, 784 * 3)).toEqual(bernoulliMasks(3, { area: 784, percentile: 30, mode, random }));
    }
  });

  it.each([[[]], [[0, 10]], [[30, 10]], [[50, 100]], [Array.from({ length: 16 }, (_, i) => i + 1)]])(
    'refuses the percentiles %j',
    (percentiles) => {
      expect(() => checkPercentiles(percentiles)).toThrow(RangeError);
    },
  );
});

describe('occlusion', () => {
  const set = fromArrays({
    name: 'two',
    split: 'train',
    classes: ['a', 'b'],
    imageShape: [2, 1, 3],
    pixels: Uint8Array.of(0, 51, 102, 255, 255, 255, 102, 51, 0, 0, 0, 255),
    labels: [0, 1],
  });
  const near = (values: ArrayLike<number>) => Array.from(values, (value) => expect.closeTo(value, 6));

  it('fills with the mean of each channel', () => {
    expect(channelMeans(set)).toEqual(near([51 / 255, 170 / 255]));
    expect(truncatedToByte(51.9 / 255)).toBeCloseTo(51 / 255, 12);
  });

  it('replaces whole pixels, whichever images are asked for, and leaves the data set as it is', () => {
    const before = set.batch([0, 1]).images.data.slice();
    const gone = occluded(set, Uint8Array.of(1, 0, 0, 0, 1, 1), [0.25, 0.5]);
    const { images, labels } = gone.batch([1, 0]);
    expect([...labels]).toEqual([1, 0]);
    expect([...images.data]).toEqual(near([0.4, 0.25, 0.25, 0, 0.5, 0.5, 0.25, 0.2, 0.4, 0.5, 1, 1]));
    expect(set.batch([0, 1]).images.data).toEqual(before);
  });

  it('replaces channels by themselves, and refuses marks of another size', () => {
    const marks = new Uint8Array(12);
    marks[4] = 1;
    expect([...occluded(set, marks, [0.25, 0.5]).batch([0]).images.data]).toEqual(near([0, 0.2, 0.4, 1, 0.5, 1]));
    expect(() => occluded(set, new Uint8Array(7), [0, 0])).toThrow(RangeError);
  });
});

describe('scores', () => {
  it('are areas', () => {
    expect(trapezoid([0, 1, 3], [0, 2, 0])).toBe(3);
    // A constant gap between the curves narrows to nothing over the first and the last tenth.
    const curves = {
      percentiles: PERCENTILES,
      random: PERCENTILES.map(() => 0.5),
      attribution: PERCENTILES.map(() => 0.3),
    };
    expect(occlusionScore('roar', curves)).toBeCloseTo(0.2 * 0.9, 12);
    expect(occlusionScore('kar', curves)).toBeCloseTo(-0.2 * 0.9, 12);
    expect(() => occlusionScore('roar', { ...curves, random: [1] })).toThrow(RangeError);
  });

  it('are those of Kim et al., whose ends cancel', () => {
    const random = createRandom(5);
    const accuracies = () => PERCENTILES.map(() => random.uniform());
    const [attribution, chosen] = [accuracies(), accuracies()];
    const [whole, chance] = [0.7366, 0.1];
    const x = [0, 0.1, 0.3, 0.5, 0.7, 0.9, 1];
    const area = (y: number[]) => trapezoid(x, y);
    const minus = (a: number[], b: number[]) => a.map((value, i) => value - b[i]!);
    const roar = area(minus([whole, ...chosen, chance], [whole, ...attribution, chance]));
    const reversed = (of: number[]) => [chance, ...of, whole].reverse();
    const kar = area(minus(reversed(attribution), reversed(chosen)));
    const curves = { percentiles: PERCENTILES, attribution, random: chosen };
    expect(occlusionScore('roar', curves)).toBeCloseTo(roar, 12);
    expect(occlusionScore('kar', curves)).toBeCloseTo(kar, 12);
  });
});

describe('correlations', () => {
  it('are those of Anscombe’s quartet', () => {
    const x = [10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5];
    const y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68];
    const { pearson: r, spearman, line, interval } = correlate(x, [y], 0);
    expect(r).toBeCloseTo(0.816, 3);
    expect(spearman).toBeCloseTo(0.818, 3);
    expect(line.slope).toBeCloseTo(0.5, 3);
    expect(line.intercept).toBeCloseTo(3, 2);
    expect(interval).toBeUndefined();
    expect(pearson([1, 2], [3, 3])).toBeNaN();
    expect(leastSquares([1, 1], [2, 3]).slope).toBeNaN();
    expect(() => pearson([1], [1, 2])).toThrow(RangeError);
  });

  it('take the mean of the repetitions, within what these say', () => {
    const x = [0, 1, 2, 3];
    const other = [0, 3, 1, 2];
    const { pearson: r, interval } = correlate(x, [x, x, other, other, x, other], 1);
    expect(r).toBeCloseTo(pearson(x, [0, 2, 1.5, 2.5]), 12);
    // All six draws of one kind happen once in 64, less often than once in 40.
    const mixed = (share: number) =>
      pearson(
        x,
        x.map((value, i) => share * value + (1 - share) * other[i]!),
      );
    expect(interval!.lower).toBeCloseTo(mixed(1 / 6), 12);
    expect(interval!.upper).toBeCloseTo(mixed(5 / 6), 12);
    const sure = correlate(x, [x, x, x, x, x], 1).interval!;
    expect(sure.upper - sure.lower).toBe(0);
    expect(correlate(x, [x, x, other, other], 1).interval).toBeUndefined();
  });

  it('are none of two models, which always lie on a line', () => {
    const { pearson: r, spearman, line, interval } = correlate([0, 1], new Array(5).fill([0, 1]), 1);
    expect([r, spearman, line.slope, line.intercept]).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
    expect(interval).toBeUndefined();
    expect(correlate([0, 1, 2], [[0, 1, 3]], 1).pearson).toBeCloseTo(0.982, 3);
  });

  // Tables of critical values of r, two-sided 5 %.
  it.each([
    [5, 0.878],
    [9, 0.666],
    [21, 0.433],
  ])('of %d unrelated pairs exceed %f once in twenty', (pairs, critical) => {
    expect(chanceCorrelation(pairs)).toBeCloseTo(critical, 3);
  });
});
