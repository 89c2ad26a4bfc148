import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import { type ColorJitter, colorFactors, jitterColors } from './color-jitter.ts';

/** Two pixels, red 0.8 and 0.2, green 0.4 and 0.6, blue 0 and 1. */
const pixels = [0.8, 0.2, 0.4, 0.6, 0, 1];
const greys = [0.2989 * 0.8 + 0.587 * 0.4, 0.2989 * 0.2 + 0.587 * 0.6 + 0.114];
const mean = (greys[0]! + greys[1]!) / 2;
const clamp = (value: number) => Math.min(1, Math.max(0, value));

/** The formulas of torchvision.transforms.functional, written out. */
const CASES: [keyof ColorJitter, number, number[]][] = [
  ['brightness', 1.25, [1, 0.25, 0.5, 0.75, 0, 1]],
  ['brightness', 0.5, [0.4, 0.1, 0.2, 0.3, 0, 0.5]],
  ['contrast', 1.5, pixels.map((value) => clamp(1.5 * value - 0.5 * mean))],
  ['contrast', 0, pixels.map(() => mean)],
  ['saturation', 0, [...greys, ...greys, ...greys]],
  ['saturation', 1.3, pixels.map((value, i) => clamp(1.3 * value - 0.3 * greys[i % 2]!))],
];

describe('jitterColors', () => {
  it.each(CASES)('%s × %d', (aspect, factor, expected) => {
    const image = Float32Array.from(pixels);
    jitterColors(image, 3, [[aspect, factor]]);
    expect([...image]).toEqual(expected.map((value) => expect.closeTo(value, 6)));
  });

  it('works in the order given', () => {
    const [there, back] = [Float32Array.from(pixels), Float32Array.from(pixels)];
    jitterColors(there, 3, [
      ['brightness', 1.5],
      ['saturation', 0.5],
    ]);
    jitterColors(back, 3, [
      ['saturation', 0.5],
      ['brightness', 1.5],
    ]);
    expect(there).not.toEqual(back);
  });

  it('takes grey images', () => {
    const image = Float32Array.of(0.25, 0.75);
    jitterColors(image, 1, [
      ['saturation', 0.2],
      ['contrast', 0.5],
    ]);
    expect([...image]).toEqual([0.375, 0.625]);
  });
});

describe('colorFactors', () => {
  it('draws from 1 − x to 1 + x, in every order, and only what is asked for', () => {
    const orders = new Set<string>();
    const drawn: number[] = [];
    for (let i = 0; i < 500; i++) {
      const factors = colorFactors({ brightness: 0.4, contrast: 0.4, saturation: 0.4 }, createRandom(1, i));
      orders.add(factors.map(([aspect]) => aspect).join());
      drawn.push(...factors.map(([, factor]) => factor));
    }
    expect(orders.size).toBe(6);
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(0.6);
    expect(Math.max(...drawn)).toBeLessThanOrEqual(1.4);
    expect(Math.min(...drawn)).toBeLessThan(0.61);
    expect(Math.max(...drawn)).toBeGreaterThan(1.39);
    expect(colorFactors({ contrast: 0.1 }, createRandom(1)).map(([aspect]) => aspect)).toEqual(['contrast']);
  });
});
