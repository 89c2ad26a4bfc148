import { expect, it } from 'vitest';
import { zeros } from '../tensor.ts';
import { gaussianBlur } from './blur.ts';

it('spreads a point as a Gaussian', () => {
  const image = zeros([1, 1, 31, 31]);
  image.data[15 * 31 + 15] = 1;
  const sigma = 2;
  const { data } = gaussianBlur(image, sigma);
  for (const [dy, dx] of [
    [0, 0],
    [1, 0],
    [0, 3],
    [2, 4],
  ] as const) {
    const density = Math.exp(-(dx * dx + dy * dy) / (2 * sigma * sigma)) / (2 * Math.PI * sigma * sigma);
    expect(data[(15 + dy) * 31 + 15 + dx]).toBeCloseTo(density, 5);
  }
});

it('keeps the mean of each plane, whatever the size of the kernel, and a constant image as it is', () => {
  const image = { shape: [2, 3, 4], data: Float32Array.from({ length: 24 }, (_, i) => Math.sin(i) ** 2) };
  const mean = (data: Float32Array) => data.reduce((a, b) => a + b, 0) / data.length;
  for (const sigma of [0.5, 3]) {
    const { data } = gaussianBlur(image, sigma);
    for (const plane of [0, 12])
      expect(mean(data.subarray(plane, plane + 12))).toBeCloseTo(mean(image.data.subarray(plane, plane + 12)), 6);
  }
  const flat = gaussianBlur({ shape: [1, 2, 2], data: new Float32Array(4).fill(0.3) }, 5);
  for (const value of flat.data) expect(value).toBeCloseTo(0.3, 6);
});

it('mirrors the image at its border', () => {
  // [a b] continues as b a | a b | b a: from a, one step to the left is a again, two steps either way are b.
  const { data } = gaussianBlur({ shape: [1, 2], data: Float32Array.of(1, 0) }, 0.5);
  const [two, one] = [Math.exp(-8), Math.exp(-2)];
  expect(data[0]).toBeCloseTo((1 + one) / (1 + 2 * one + 2 * two), 6);
});
