import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import type { Tensor } from '../tensor.ts';
import { augment } from './augment.ts';

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
    expect(() => augment(images, { padding: -1 }, createRandom(3))).toThrow(RangeError);
  });
});
