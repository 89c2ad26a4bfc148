import { describe, expect, it } from 'vitest';
import { colorOf, cssGradient, DIVERGING, type Rgb, SEQUENTIAL } from './colormap.ts';

const toLinear = (byte: number): number =>
  byte / 255 <= 0.04045 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4;

/** CIE L* from sRGB (IEC 61966-2-1, D65): a lightness scale other than the one the maps were built in. */
function lightness([red, green, blue]: Rgb): number {
  const linear = [red, green, blue].map(toLinear);
  const luminance = 0.2126 * linear[0]! + 0.7152 * linear[1]! + 0.0722 * linear[2]!;
  return luminance > 216 / 24389 ? 116 * Math.cbrt(luminance) - 16 : (24389 / 27) * luminance;
}

const steps = Array.from({ length: 101 }, (_, i) => i / 100);

describe('diverging map', () => {
  it('has a neutral centre', () => {
    const [red, green, blue] = colorOf(DIVERGING, 0);
    expect(Math.max(red, green, blue) - Math.min(red, green, blue)).toBeLessThanOrEqual(1);
    expect(lightness([red, green, blue])).toBeGreaterThan(94);
  });

  it('is as light for a value as for its negative', () => {
    for (const t of steps)
      expect(Math.abs(lightness(colorOf(DIVERGING, t)) - lightness(colorOf(DIVERGING, -t)))).toBeLessThan(6);
  });

  it('darkens steadily away from zero', () => {
    for (const sign of [-1, 1]) {
      const values = steps.map((t) => lightness(colorOf(DIVERGING, sign * t)));
      for (let i = 1; i < values.length; i++) expect(values[i]!).toBeLessThan(values[i - 1]! + 0.3);
      expect(values[0]! - values.at(-1)!).toBeGreaterThan(50);
    }
  });

  it('is blue below zero and orange-red above', () => {
    const cool = colorOf(DIVERGING, -0.8);
    const warm = colorOf(DIVERGING, 0.8);
    expect(cool[2]).toBeGreaterThan(cool[0] + 60);
    expect(warm[0]).toBeGreaterThan(warm[2] + 60);
  });

  // How dichromats see linear RGB: Viénot, Brettel and Mollon, Color Research and Application 24 (1999).
  it.each([
    ['protanopia', [0.11238, 0.88762, 0, 0.11238, 0.88762, 0, 0.00401, -0.00401, 1]],
    ['deuteranopia', [0.29275, 0.70725, 0, 0.29275, 0.70725, 0, -0.02234, 0.02234, 1]],
  ])('keeps the signs apart under %s', (_, matrix) => {
    const seen = (color: Rgb): number[] => {
      const linear = color.map(toLinear);
      return [0, 3, 6].map((row) =>
        matrix.slice(row, row + 3).reduce((sum, weight, i) => sum + weight * linear[i]!, 0),
      );
    };
    for (const t of [0.25, 0.5, 0.75, 1]) {
      const [warm, cool] = [seen(colorOf(DIVERGING, t)), seen(colorOf(DIVERGING, -t))];
      expect(cool[2]! / cool[0]!).toBeGreaterThan(1.2);
      expect(warm[2]! / warm[0]!).toBeLessThan(0.8);
    }
  });

  it.each([
    [5, 1],
    [-5, -1],
    [Number.NaN, 0],
  ])('takes %d as %d', (value, same) => {
    expect(colorOf(DIVERGING, value)).toEqual(colorOf(DIVERGING, same));
  });
});

describe('sequential map', () => {
  it('brightens evenly', () => {
    const values = steps.map((t) => lightness(colorOf(SEQUENTIAL, t)));
    const rise = (values.at(-1)! - values[0]!) / 100;
    for (let i = 1; i < values.length; i++) {
      expect(values[i]!).toBeGreaterThan(values[i - 1]!);
      expect(values[i]! - values[i - 1]!).toBeLessThan(2.5 * rise);
    }
  });
});

it('writes a CSS gradient with the end colours at the ends', () => {
  const css = cssGradient(DIVERGING, 3);
  expect(css.match(/rgb\(/g)).toHaveLength(3);
  expect(css).toContain(`rgb(${colorOf(DIVERGING, -1).join(' ')})`);
  expect(css.endsWith(`rgb(${colorOf(DIVERGING, 1).join(' ')}))`)).toBe(true);
});
