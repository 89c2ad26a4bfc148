import { expect, test } from 'vitest';
import { erf, roundHalfToEven, sigmoid, softplus } from './functions.ts';

// Abramowitz & Stegun, table 7.1, and its continuation in double precision.
test.each([
  [0, 0],
  [0.1, 0.1124629160182849],
  [0.5, 0.5204998778130465],
  [1, 0.8427007929497149],
  [2, 0.9953222650189527],
  [3, 0.9999779095030014],
  [5, 0.9999999999984626],
  [7, 1],
])('erf %d', (x, value) => {
  expect(Math.abs(erf(x) - value)).toBeLessThanOrEqual(1e-15);
  expect(erf(-x) + erf(x)).toBe(0);
});

test('erf of NaN', () => {
  expect(erf(Number.NaN)).toBeNaN();
});

test.each([
  [0.5, 0],
  [1.5, 2],
  [2.5, 2],
  [-0.5, 0],
  [-1.5, -2],
  [-2.5, -2],
  [2.51, 3],
  [-2.51, -3],
])('%d is rounded to %d', (x, value) => {
  expect(roundHalfToEven(x) + 0).toBe(value);
});

test('sigmoid and softplus far out', () => {
  expect([sigmoid(-800), sigmoid(0), sigmoid(800)]).toEqual([0, 0.5, 1]);
  expect([softplus(-800), softplus(0), softplus(800)]).toEqual([0, Math.LN2, 800]);
});
