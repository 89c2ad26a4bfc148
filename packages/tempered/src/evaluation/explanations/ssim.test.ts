import { describe, expect, it } from 'vitest';
import { createRandom } from '../../random.ts';
import { type Plane, ssim } from './ssim.ts';

function noise(width: number, height: number, seed: number): Plane {
  const values = new Float32Array(width * height);
  createRandom(seed, 'ssim').fillUniform(values, 0, 1);
  return { width, height, values };
}

/** Equations 13 to 17 of the paper window by window, with variances as written there: sums of squared deviations. */
function byDefinition(a: Plane, b: Plane, range: number, side: number): number {
  const radius = (side - 1) / 2;
  const raw = Array.from({ length: side * side }, (_, i) => {
    const [dy, dx] = [Math.floor(i / side) - radius, (i % side) - radius];
    return Math.exp(-(dx * dx + dy * dy) / (2 * 1.5 * 1.5));
  });
  const total = raw.reduce((s, w) => s + w, 0);
  const weights = raw.map((w) => w / total);
  const values: number[] = [];
  for (let top = 0; top + side <= a.height; top++)
    for (let left = 0; left + side <= a.width; left++) {
      const at = (plane: Plane) =>
        weights.map((_, i) => plane.values[(top + Math.floor(i / side)) * a.width + left + (i % side)]!);
      const [x, y] = [at(a), at(b)];
      const mean = (of: (i: number) => number) => weights.reduce((s, w, i) => s + w * of(i), 0);
      const [mx, my] = [mean((i) => x[i]!), mean((i) => y[i]!)];
      const varianceX = mean((i) => (x[i]! - mx) ** 2);
      const varianceY = mean((i) => (y[i]! - my) ** 2);
      const covariance = mean((i) => (x[i]! - mx) * (y[i]! - my));
      const [c1, c2] = [(0.01 * range) ** 2, (0.03 * range) ** 2];
      values.push(
        ((2 * mx * my + c1) * (2 * covariance + c2)) / ((mx ** 2 + my ** 2 + c1) * (varianceX + varianceY + c2)),
      );
    }
  return values.reduce((s, v) => s + v, 0) / values.length;
}

describe('SSIM', () => {
  it.each([
    ['with a window of 11', 17, 13, 1, 11],
    ['of values in [0, 255]', 12, 15, 255, 11],
    ['with the largest odd window that fits', 20, 8, 1, 7],
  ])('is what its definition says, %s', (_, width, height, range, side) => {
    const [a, b] = [noise(width, height, 1), noise(width, height, 2)];
    expect(ssim(a, b, range)).toBeCloseTo(byDefinition(a, b, range, side), 10);
  });

  it('of flat pictures is their luminance term, equation 6', () => {
    const flat = (value: number): Plane => ({ width: 12, height: 12, values: new Float64Array(144).fill(value) });
    expect(ssim(flat(0.2), flat(0.8), 1)).toBeCloseTo((2 * 0.2 * 0.8 + 1e-4) / (0.2 ** 2 + 0.8 ** 2 + 1e-4), 10);
  });

  it('of a picture with itself is 1, and of two is the same either way', () => {
    const [a, b] = [noise(16, 16, 3), noise(16, 16, 4)];
    expect(ssim(a, a, 1)).toBeCloseTo(1, 12);
    expect(ssim(a, b, 1)).toBeCloseTo(ssim(b, a, 1), 12);
  });

  it('of one pixel compares luminance', () => {
    const pixel = (value: number): Plane => ({ width: 1, height: 1, values: [value] });
    expect(ssim(pixel(1), pixel(0), 1)).toBeCloseTo(1e-4 / (1 + 1e-4), 12);
  });

  it('refuses pictures of different sizes', () => {
    expect(() => ssim(noise(4, 5, 1), noise(5, 4, 1), 1)).toThrow(/4 × 5 and 5 × 4/);
  });
});
