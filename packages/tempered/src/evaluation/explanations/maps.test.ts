/** Measures of maps alone: localisation, sparseness, complexity, and the estimates over images. */
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../random.ts';
import { estimateMean } from '../../statistics.ts';
import type { Tensor } from '../../tensor.ts';
import { entropy, giniIndex, sparseness } from './concentration.ts';
import { estimate } from './estimate.ts';
import {
  localizationAuc,
  pointingGame,
  relevanceMass,
  relevanceRank,
  rocArea,
  shareOfLargest,
  topKIntersection,
} from './localization.ts';
import type { MeasureTask } from './measure.ts';
import { type ExplanationMeasure, kindOf } from './measures.ts';

const scores = async (measure: ExplanationMeasure, attributions: Tensor, masks?: Tensor) => {
  const imageNumbers = Array.from({ length: attributions.shape[0]! }, (_, n) => n);
  const task: Partial<MeasureTask> = { attributions, seed: 0, imageNumbers, ...(masks && { masks }) };
  return [...(await kindOf(measure).score(task as MeasureTask, measure))];
};

describe('sparseness and complexity', () => {
  it.each([
    [[1, 1, 1, 1], 0, Math.log(4)],
    [[0, 0, 0, 7], 0.75, 0],
    [[1, 2, 3, 4], 0.25, -[0.1, 0.2, 0.3, 0.4].reduce((sum, p) => sum + p * Math.log(p), 0)],
    [[0, 0, 1, 1], 0.5, Math.log(2)],
  ])('of %j', (values, gini, nats) => {
    expect(giniIndex(values)).toBeCloseTo(gini, 12);
    expect(entropy(values)).toBeCloseTo(nats, 12);
  });

  it('are not known for maps of zeros', () => {
    expect([giniIndex([0, 0]), entropy([0, 0])]).toEqual([Number.NaN, Number.NaN]);
  });

  it('are those of pixels, by magnitude', async () => {
    const attributions = { shape: [1, 2, 1, 2], data: Float32Array.of(1, 0, -1, 2) };
    expect((await scores(sparseness(), attributions))[0]).toBeCloseTo(0, 12);
  });
});

describe('localisation', () => {
  it.each<[string, number[], number[], number, number]>([
    ['all inside', [4, 3, 2, 1], [1, 1, 0, 0], 2, 1],
    ['none inside', [4, 3, 2, 1], [0, 0, 1, 1], 2, 0],
    ['fewer than the mask has', [4, 3, 2, 1], [1, 0, 1, 1], 1, 1],
    ['a tie at the border, by its mean', [2, 1, 1, 1], [1, 1, 0, 0], 2, (1 + 1 / 3) / 2],
    ['all alike', [1, 1, 1, 1], [1, 0, 0, 0], 2, 0.25],
  ])('share of the largest: %s', (_, values, mask, k, expected) => {
    expect(shareOfLargest(values, mask, k)).toBeCloseTo(expected, 12);
  });

  it('the area under the ROC curve is the share of pairs in the right order', () => {
    const random = createRandom(4);
    const values = Array.from({ length: 60 }, () => random.integer(9));
    const mask = values.map((value) => Number(random.uniform() < 0.2 + value / 20));
    let [right, pairs] = [0, 0];
    for (const [i, a] of values.entries())
      for (const [j, b] of values.entries()) {
        if (mask[i] !== 1 || mask[j] !== 0) continue;
        pairs += 1;
        right += a > b ? 1 : a === b ? 0.5 : 0;
      }
    expect(rocArea(values, mask)).toBeCloseTo(right / pairs, 12);
    expect(
      rocArea(
        values,
        mask.map(() => 1),
      ),
    ).toBeNaN();
  });

  const masks = { shape: [2, 1, 1, 4], data: Float32Array.of(1, 1, 0, 0, 0, 0, 0, 0) };
  const attributions = { shape: [2, 1, 1, 4], data: Float32Array.of(-5, 0, 4, 1, 0, 0, 0, 0) };

  it('of a map of zeros is what chance has, by every measure', async () => {
    const count = 2000;
    const zeros = { shape: [count, 1, 1, 4], data: new Float32Array(count * 4) };
    const masks = { shape: zeros.shape, data: Float32Array.from(zeros.data, (_, i) => Number(i % 4 === 0)) };
    const mean = async (measure: ExplanationMeasure) =>
      (await scores(measure, zeros, masks)).reduce((a, b) => a + b, 0) / count;
    // Four standard errors of a proportion.
    expect(Math.abs((await mean(pointingGame())) - 0.25)).toBeLessThan(4 * Math.sqrt((0.25 * 0.75) / count));
    expect(await mean(relevanceMass())).toBe(0.25);
    expect(await mean(relevanceRank())).toBe(0.25);
    expect(await mean(topKIntersection({ k: 2 }))).toBe(0.25);
    expect(await mean(localizationAuc())).toBe(0.5);
  });

  it('goes by magnitude; an empty mask has no rank', async () => {
    expect(await scores(pointingGame(), attributions, masks)).toEqual([1, 0]);
    expect(await scores(relevanceRank(), attributions, masks)).toEqual([0.5, Number.NaN]);
    expect(await scores(topKIntersection({ k: 1 }), attributions, masks)).toEqual([1, 0]);
    await expect(scores(topKIntersection({ k: 5 }), attributions, masks)).rejects.toThrow('k cannot be 5');
  });
});

describe('estimates over images', () => {
  it('have an interval like that of the normal approximation where values are normal', () => {
    const values = new Float64Array(200);
    const random = createRandom(9);
    for (let i = 0; i < values.length; i++) values[i] = random.normal();
    const found = estimate(values, 'mean', 0);
    const normal = estimateMean(values);
    expect(found.value).toBeCloseTo(normal.mean, 12);
    expect(Math.abs(found.lower! - normal.lower)).toBeLessThan(0.03);
    expect(Math.abs(found.upper! - normal.upper)).toBeLessThan(0.03);
    expect(estimate(values, 'mean', 0)).toEqual(found);
  });

  it('leave out what is not known, and make no interval of one value', () => {
    expect(estimate([1, Number.NaN], 'mean', 0)).toEqual({ value: 1, count: 1, undefinedCount: 1 });
    expect(estimate([Number.NaN], 'median', 0)).toEqual({ value: null, count: 0, undefinedCount: 1 });
  });

  it('are medians and exact shares where asked for', () => {
    expect(estimate([1, 2, 3, 4, 100], 'median', 0).value).toBe(3);
    const share = estimate([1, 1, 1, 1, 1, 1, 1, 1, 0, 0], 'share', 0);
    // Clopper–Pearson of 8 in 10.
    expect(share.value).toBeCloseTo(0.8, 12);
    expect(share.lower).toBeCloseTo(0.4439, 4);
    expect(share.upper).toBeCloseTo(0.9748, 4);
  });
});
