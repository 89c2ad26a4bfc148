import { describe, expect, it } from 'vitest';
import type { Tensor } from '../tensor.ts';
import { centreSquare, resize } from './resample.ts';

const values = (tensor: Tensor) => [...tensor.data].map((v) => Number(v.toFixed(3)));
const power: Tensor = { shape: [5, 7], data: Float32Array.from({ length: 35 }, (_, i) => i ** 1.5) };

describe('resize', () => {
  it('doubles as the documentation of torch.nn.Upsample shows', () => {
    const result = resize({ shape: [1, 1, 2, 2], data: Float32Array.of(1, 2, 3, 4) }, 4, 4);
    expect(result.shape).toEqual([1, 1, 4, 4]);
    expect(values(result)).toEqual([1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4]);
  });

  // What jax.image.resize(x, shape, 'linear', antialias=True) gives for x = arange(35).reshape(5, 7) ** 1.5.
  it.each([
    {
      size: [3, 4],
      expected: [9.186, 13.538, 19.975, 26.257, 57.562, 66.589, 77.851, 87.848, 129.872, 141.826, 156.4, 169.088],
    },
    { size: [2, 3], expected: [27.043, 35.999, 46.198, 105.189, 120.459, 136.393] },
    { size: [5, 2], expected: [2.43, 9.546, 25.317, 38.742, 61.638, 79.17, 107.417, 128.258, 160.986, 184.676] },
  ])('shrinks to $size without aliasing', ({ size, expected }) => {
    const result = resize(power, size[0]!, size[1]!);
    for (const [i, value] of expected.entries()) expect(Math.abs(result.data[i]! - value)).toBeLessThan(2e-3);
    expect(result.data.length).toBe(expected.length);
  });

  it('keeps a flat image flat and treats planes alike', () => {
    const flat: Tensor = { shape: [2, 3, 9, 5], data: new Float32Array(270).fill(0.3) };
    for (const v of resize(flat, 4, 11).data) expect(v).toBeCloseTo(0.3, 6);
    const two: Tensor = { shape: [2, 5, 7], data: Float32Array.of(...power.data, ...power.data) };
    const result = resize(two, 3, 4);
    expect([...result.data.subarray(12)]).toEqual([...result.data.subarray(0, 12)]);
  });

  it.each([
    [0, 4],
    [4, 1.5],
    [Number.NaN, 1],
  ])('refuses %d × %d', (height, width) => {
    expect(() => resize(power, height, width)).toThrow(RangeError);
  });
});

it('cuts the middle square', () => {
  const data = Float32Array.from({ length: 24 }, (_, i) => i);
  expect(centreSquare({ shape: [2, 2, 6], data })).toEqual({
    shape: [2, 2, 2],
    data: Float32Array.of(2, 3, 8, 9, 14, 15, 20, 21),
  });
  expect(values(centreSquare({ shape: [1, 4, 2], data: data.subarray(0, 8) }))).toEqual([2, 3, 4, 5]);
});
