import { describe, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { localization } from './localization.ts';

const mask = { shape: [1, 1, 2, 2], data: Float32Array.of(1, 0, 0, 0) };
const measure = (...values: number[]) =>
  localization({ shape: [1, values.length / 4, 2, 2], data: Float32Array.from(values) }, mask);

describe('localization', () => {
  it.each<[string, number[], number, number]>([
    ['all inside', [3, 0, 0, 0], 1, 1],
    ['all inside, negative', [-3, 0, 0, 0], 1, 1],
    ['none inside', [0, 1, -2, 3], 0, 0],
    ['spread evenly: the first of equals', [1, -1, 1, -1], 0.25, 1],
    ['half inside', [2, 1, 0, -1], 0.5, 1],
    ['a sign counts for nothing', [-2, 3, 0, 0], 0.4, 0],
    ['channels add up, without cancelling', [1, 1.5, 0, 0, -1, 0, 0, 0.5], 0.5, 1],
  ])('%s', (_, values, mass, pointing) => {
    const { relevanceMass, area, pointing: hit } = measure(...values);
    expect(relevanceMass[0]).toBeCloseTo(mass, 12);
    expect(hit[0]).toBe(pointing);
    expect(area[0]).toBe(0.25);
  });

  it('a map of zeros has no share, and points nowhere', () => {
    const { relevanceMass, pointing } = measure(0, 0, 0, 0);
    expect(relevanceMass[0]).toBeNaN();
    expect(pointing[0]).toBe(0);
  });

  it('takes each image with its own mask', () => {
    const attributions = { shape: [2, 1, 1, 2], data: Float32Array.of(1, 3, 1, 3) };
    const masks = { shape: [2, 1, 1, 2], data: Float32Array.of(1, 0, 0, 1) };
    const { relevanceMass, pointing } = localization(attributions, masks);
    expect([[...relevanceMass], [...pointing]]).toEqual([
      [0.25, 0.75],
      [0, 1],
    ]);
  });

  it('refuses masks of another size', () => {
    const attributions = { shape: [1, 1, 2, 3], data: new Float32Array(6) };
    expect(() => localization(attributions, mask)).toThrow(UsageError);
    expect(() => localization(attributions, mask)).toThrow(
      'attributions of shape [1, 1, 2, 3] do not fit masks of shape [1, 1, 2, 2]',
    );
  });
});
