import { expect, it } from 'vitest';
import { rotate } from './rotate.ts';

/** 0 1 2 / 3 4 5 / 6 7 8, twice. */
const planes = () => Float32Array.from({ length: 18 }, (_, i) => i % 9);

it.each<[number, number[]]>([
  [0, [0, 1, 2, 3, 4, 5, 6, 7, 8]],
  [90, [2, 5, 8, 1, 4, 7, 0, 3, 6]],
  [-90, [6, 3, 0, 7, 4, 1, 8, 5, 2]],
  [180, [8, 7, 6, 5, 4, 3, 2, 1, 0]],
])('by %d degrees', (degrees, expected) => {
  const image = planes();
  rotate(image, [2, 3, 3], degrees);
  expect([...image]).toEqual([...expected, ...expected].map((value) => expect.closeTo(value, 5)));
});

it('interpolates linearly: a slope stays a slope, in the new direction', () => {
  const [height, width] = [21, 31];
  const slope = (x: number, y: number) => 0.5 + 0.01 * (x - 15) - 0.02 * (y - 10);
  const image = Float32Array.from({ length: height * width }, (_, p) => slope(p % width, Math.floor(p / width)));
  rotate(image, [1, height, width], 30);
  const [c, s] = [Math.cos(Math.PI / 6), Math.sin(Math.PI / 6)];
  for (let y = 6; y <= 14; y++) {
    for (let x = 8; x <= 22; x++) {
      const expected = slope(15 + c * (x - 15) - s * (y - 10), 10 + s * (x - 15) + c * (y - 10));
      expect(image[y * width + x]).toBeCloseTo(expected, 5);
    }
  }
  // The corners come from outside.
  expect([image[0], image[width - 1], image[height * width - 1]]).toEqual([0, 0, 0]);
});

it('leaves even sizes in place: about the centre, not a pixel', () => {
  const image = Float32Array.of(1, 2, 3, 4);
  rotate(image, [1, 2, 2], 90);
  expect([...image]).toEqual([2, 4, 1, 3].map((value) => expect.closeTo(value, 5)));
});
