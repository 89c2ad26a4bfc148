import { describe, expect, it } from 'vitest';
import { noiseImages } from '../../models/testing/small-models.ts';
import type { Tensor } from '../../tensor.ts';
import { mapSimilarity, meanSimilarity, SIMILARITIES, similarityBy } from './map-similarity.ts';

const maps = (shape: number[], values: number[]): Tensor => ({ shape, data: Float32Array.from(values) });
const signed = noiseImages(3, [2, 12, 12]);
signed.data.forEach((value, i) => {
  signed.data[i] = value - 0.5;
});
const negated = { ...signed, data: signed.data.map((value) => -value) };

describe('two maps', () => {
  it('that are the same, or of another scale, agree in every way', () => {
    const scaled = { ...signed, data: signed.data.map((value) => 1000 * value) };
    for (const other of [signed, scaled])
      for (const values of Object.values(mapSimilarity(signed, other)))
        for (const value of values) expect(value).toBeCloseTo(1, 5);
  });

  it('of opposite signs agree in magnitudes alone', () => {
    const { kendallTau, spearman, spearmanAbsolute, topIntersection, ssim } = mapSimilarity(signed, negated);
    for (const i of [0, 1, 2]) {
      expect([kendallTau[i], spearman[i]]).toEqual([expect.closeTo(-1, 9), expect.closeTo(-1, 9)]);
      expect([spearmanAbsolute[i], topIntersection[i], ssim[i]]).toEqual(new Array(3).fill(expect.closeTo(1, 12)));
    }
  });

  it('are compared after the sum over channels', () => {
    // Both channels of the first pixel cancel out.
    const a = maps([1, 2, 1, 3], [5, 1, 2, -5, 0, 0]);
    const b = maps([1, 1, 1, 3], [0, 1, 2]);
    const flat = { ...a, shape: [1, 1, 2, 3] };
    expect(() => mapSimilarity(a, b)).toThrow(/cannot be compared/);
    expect(mapSimilarity(a, maps([1, 2, 1, 3], [0, 1, 2, 0, 0, 0])).spearman[0]).toBeCloseTo(1, 12);
    expect(mapSimilarity(flat, flat).spearman[0]).toBeCloseTo(1, 12);
  });

  it('one of which is flat have no order in common', () => {
    const flat = { ...signed, data: new Float32Array(signed.data.length) };
    const found = mapSimilarity(signed, flat);
    for (const name of ['kendallTau', 'spearman', 'spearmanAbsolute', 'topIntersection'] as const)
      expect([...found[name]]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    expect(meanSimilarity(found).spearman).toBeNull();
    expect(meanSimilarity(found).ssim!.mean).toBeLessThan(0.1);
  });

  it('are compared one way alone with the same result', () => {
    const other = noiseImages(3, [2, 12, 12], 4);
    const all = Object.values(mapSimilarity(signed, other));
    expect(SIMILARITIES.map((name) => similarityBy(name, signed, other))).toEqual(all);
    expect(() => similarityBy('ssim', signed, noiseImages(2, [2, 12, 12]))).toThrow(/cannot be compared/);
  });

  it('of other than images are compared entry by entry', () => {
    const { spearman } = mapSimilarity(maps([2, 4], [1, 2, 3, 4, 4, 3, 2, 1]), maps([2, 4], [1, 2, 4, 3, 1, 2, 3, 4]));
    expect(spearman[0]).toBeCloseTo(0.8, 12);
    expect(spearman[1]).toBeCloseTo(-1, 12);
  });
});

it('k largest: half of them stay', () => {
  const a = maps([1, 1, 1, 6], [6, 5, 4, 3, 0, 0]);
  const b = maps([1, 1, 1, 6], [6, 0, 4, 0, 5, 3]);
  expect(mapSimilarity(a, b, { k: 4 }).topIntersection[0]).toBe(0.5);
});

it('averages the images asked for, without those that have no number', () => {
  const ones = new Float64Array(3).fill(1);
  const similarity = {
    kendallTau: ones,
    spearman: Float64Array.of(0.2, Number.NaN, 0.6),
    spearmanAbsolute: ones,
    topIntersection: ones,
    ssim: ones,
  };
  expect(meanSimilarity(similarity).spearman!.mean).toBeCloseTo(0.4, 12);
  expect(meanSimilarity(similarity, [0, 1]).spearman).toEqual({ mean: 0.2 });
});
