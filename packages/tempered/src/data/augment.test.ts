import { describe, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { createRandom } from '../random.ts';
import type { Tensor } from '../tensor.ts';
import { type Augmentation, augment } from './augment.ts';

const images: Tensor = { shape: [200, 2, 3, 4], data: Float32Array.from({ length: 4800 }, (_, i) => 1 + (i % 24)) };
const image = (tensor: Tensor, index: number) => [...tensor.data.subarray(24 * index, 24 * (index + 1))];
const original = image(images, 0);

/** The image moved by (dy, dx), black where nothing is left, written out pixel by pixel. */
const moved = (dy: number, dx: number) =>
  original.map((_, p) => {
    const [plane, y, x] = [Math.floor(p / 12), Math.floor((p % 12) / 4) + dy, (p % 4) + dx];
    return y < 0 || y > 2 || x < 0 || x > 3 ? 0 : original[plane * 12 + y * 4 + x]!;
  });
const mirrored = original.map((_, p) => original[p - (p % 4) + 3 - (p % 4)]!);

describe('augment', () => {
  it('leaves everything alone without options', () => {
    expect(augment(images, {}, createRandom(1))).toEqual(images);
  });

  it('mirrors about half of the images', () => {
    const result = augment(images, { flip: true }, createRandom(1));
    let flips = 0;
    for (let i = 0; i < 200; i++) {
      const now = image(result, i);
      expect([original, mirrored]).toContainEqual(now);
      if (now[0] === mirrored[0]) flips++;
    }
    expect(Math.abs(flips - 100)).toBeLessThan(30);
  });

  it('cuts at all the places that padding allows, and only there', () => {
    const result = augment(images, { padding: 1 }, createRandom(2));
    const places = [-1, 0, 1].flatMap((dy) => [-1, 0, 1].map((dx) => moved(dy, dx).join()));
    const seen = new Set<number>();
    for (let i = 0; i < 200; i++) seen.add(places.indexOf(image(result, i).join()));
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('repeats itself with the same generator', () => {
    const once = augment(images, { padding: 4, flip: true }, createRandom(3));
    expect(augment(images, { padding: 4, flip: true }, createRandom(3))).toEqual(once);
  });

  it.each<[string, Augmentation]>([
    ['padding', { padding: -1 }],
    ['padding', { padding: 1.5 }],
    ['cutout', { cutout: -2 }],
    ['rotation', { rotation: 200 }],
    ['brightness', { color: { brightness: 1.5 } }],
    ['saturation', { color: { saturation: Number.NaN } }],
  ])('refuses %s out of range', (name, options) => {
    expect(() => augment(images, options, createRandom(3))).toThrow(UsageError);
    expect(() => augment(images, options, createRandom(3))).toThrow(name);
  });

  it('varies an image by its number, whatever batch it is in', () => {
    const everything: Augmentation = {
      padding: 1,
      flip: true,
      color: { brightness: 0.3, contrast: 0.3, saturation: 0.3 },
      rotation: 20,
      cutout: 2,
    };
    const grey = { shape: [4, 3, 5, 5], data: Float32Array.from({ length: 300 }, (_, i) => ((7 * i) % 11) / 11) };
    const all = augment(grey, everything, createRandom(5), [10, 11, 12, 13]);
    for (const index of [0, 3]) {
      const one = { shape: [1, 3, 5, 5], data: grey.data.slice(75 * index, 75 * (index + 1)) };
      const alone = augment(one, everything, createRandom(5), [10 + index]);
      expect(alone.data).toEqual(all.data.slice(75 * index, 75 * (index + 1)));
    }
    expect(augment(grey, everything, createRandom(6), [10, 11, 12, 13]).data).not.toEqual(all.data);
  });

  it('blackens one square, cut off at the border', () => {
    const white: Tensor = { shape: [300, 1, 6, 6], data: new Float32Array(300 * 36).fill(1) };
    const result = augment(white, { cutout: 4 }, createRandom(1));
    const corners = new Set<string>();
    for (let i = 0; i < 300; i++) {
      const black = [...result.data.subarray(36 * i, 36 * (i + 1)).entries()].flatMap(([p, v]) => (v === 0 ? [p] : []));
      const rows = black.map((p) => Math.floor(p / 6));
      const columns = black.map((p) => p % 6);
      const [top, bottom, left, right] = [
        Math.min(...rows),
        Math.max(...rows),
        Math.min(...columns),
        Math.max(...columns),
      ];
      // Two to four rows and columns, since the centre is inside; and nothing in them is left.
      expect(black.length).toBe((bottom - top + 1) * (right - left + 1));
      expect(bottom - top + 1).toBeGreaterThanOrEqual(2);
      expect(bottom - top + 1).toBeLessThanOrEqual(4);
      corners.add(`${top},${left},${bottom},${right}`);
    }
    expect(corners.size).toBe(36);
  });
});
