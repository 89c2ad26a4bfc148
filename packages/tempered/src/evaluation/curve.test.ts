import { describe, expect, it } from 'vitest';
import { diameter, isExhausted, radiusLadder } from './curve.ts';
import type { LedgerAtEpsilon } from './ledger.ts';

describe('the curve', () => {
  it('reaches from 0 to the diameter of the box, doubling', () => {
    expect(diameter('linf', [3, 4, 5])).toBe(1);
    expect(diameter('l2', [1, 2, 8])).toBe(4);
    expect(diameter('l1', [3, 4, 5])).toBe(60);
    const radii = radiusLadder('l2', [1, 2, 8]);
    expect(radii[0]).toBe(0);
    expect(radii.at(-1)).toBe(4);
    expect(radii[1]).toBe(1 / 16);
    expect(radiusLadder('linf', [3, 4, 5])).toEqual([0, 1, 2, 4, 8, 16, 32, 64, 128, 255].map((k) => k / 255));
    expect(radii.slice(2).map((radius, i) => radius / radii[i + 1]!)).toEqual(Array(6).fill(2));
  });

  it.each([
    ['none is right', [1, 2, 3], 10, true],
    ['one of two classes is guessed', [0, 1, 0, 3], 2, true],
    ['more are right than by chance', [0, 1, 0, 3], 10, false],
  ])('is at its end when %s', (_, rank, classes, expected) => {
    const nothing = rank.map(() => 0);
    const cost = { zeroGradients: 0, forwards: 0, gradients: 0, seconds: 0 };
    const at: LedgerAtEpsilon = {
      ...cost,
      epsilon: 0.1,
      rank,
      predictions: nothing,
      distance: nothing,
      survivesRounding: nothing,
      byAttack: {},
    };
    expect(isExhausted(at, classes)).toBe(expected);
  });
});
