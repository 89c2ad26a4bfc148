import { describe, expect, it } from 'vitest';
import { leadOver, signFlip } from './lead.ts';

const zeros = (count: number) => Array<number>(count).fill(0);
const better = { better: 'higher', seed: 0 } as const;

describe('the sign-flip test', () => {
  it('of the sample of Fisher 1935, §21: 863 of 32768 signs reach the sum', () => {
    const darwin = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48];
    // Fisher's 863 of 32,768, drawn here 10,000 times: standard error 0.0016.
    expect(signFlip(darwin, 0)).toBeCloseTo(863 / 32768, 2);
    expect(Math.abs(signFlip(darwin, 0) - 863 / 32768)).toBeLessThan(0.0064);
    // All signs of a few: nothing is drawn.
    expect(signFlip(darwin.slice(0, 12), 0)).toBe(signFlip(darwin.slice(0, 12), 1));
  });

  it.each([1, 2, 5, 6, 12])('of %d equal values is 2 to the minus that', (count) => {
    expect(
      signFlip(
        zeros(count).map(() => 0.3),
        0,
      ),
    ).toBe(2 ** -count);
  });
});

describe('a lead', () => {
  it.each([
    [2, 'unknown'],
    [3, 'unknown'],
    [5, 'unknown'],
    [6, 'better'],
    [60, 'better'],
  ])('of %d equal differences is %s', (count, told) => {
    const ones = zeros(count).map(() => 1);
    expect(leadOver(ones, zeros(count), better)).toMatchObject({ mean: 1, lower: 1, count, told });
  });

  it('tells which is worse, which way is better, and what is the same', () => {
    const rising = zeros(8).map((_, i) => 1 + i / 8);
    expect(leadOver(zeros(8), rising, better)!.told).toBe('worse');
    expect(leadOver(zeros(8), rising, { better: 'lower', seed: 0 })!.told).toBe('better');
    expect(leadOver(rising, rising, better)!.told).toBe('same');
    expect(leadOver([1, -1, 2, -2, 3, -2], zeros(6), better)!.told).toBe('unknown');
  });

  it('is of the images that have both scores, if there are two', () => {
    expect(leadOver([1, Number.NaN, 3], [0, 0, 1], better)).toMatchObject({ mean: 1.5, count: 2 });
    expect(leadOver([1, 2], [Number.NaN, 0], better)).toBeNull();
  });
});
