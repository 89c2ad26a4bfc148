import { describe, expect, it } from 'vitest';
import type { Tensor } from '../tensor.ts';
import { arrangeGrid, createBitmap, upscale } from './bitmap.ts';
import { colorOf, DIVERGING, SEQUENTIAL } from './colormap.ts';
import { maskOutline } from './mask-outline.ts';
import { percentile } from './percentile.ts';
import {
  attributionDifference,
  attributionScale,
  renderAttribution,
  renderColorbar,
  renderImage,
  renderOverlay,
  renderPerturbation,
  sumChannels,
} from './render.ts';

const tensor = (shape: number[], values: number[]): Tensor => ({ shape, data: Float32Array.from(values) });
const pixel = (bitmap: { width: number; data: Uint8ClampedArray }, x: number, y = 0) => [
  ...bitmap.data.subarray(4 * (y * bitmap.width + x), 4 * (y * bitmap.width + x) + 4),
];

describe('percentile', () => {
  const values = [3, -1.5, 0.25, 8, 2, 2, -7.75];
  // numpy.percentile, NumPy 2.4.
  it.each([
    [0, -7.75],
    [10, -4.0],
    [50, 2.0],
    [90, 5.0],
    [99, 7.7],
    [100, 8.0],
  ])('agrees with NumPy at %d %%', (rank, expected) => {
    expect(percentile(values, rank)).toBeCloseTo(expected, 12);
  });

  it('agrees with NumPy on a long array', () => {
    expect(
      percentile(
        Array.from({ length: 1024 }, (_, i) => i * i),
        99,
      ),
    ).toBeCloseTo(1025703.25, 8);
  });

  it.each([
    [[], 50],
    [[1], -1],
    [[1], 101],
  ])('refuses %j at %d', (list, rank) => {
    expect(() => percentile(list as number[], rank as number)).toThrow(RangeError);
  });
});

describe('renderImage', () => {
  it('repeats a grey plane and keeps colours apart', () => {
    expect(pixel(renderImage(tensor([1, 1, 1, 2], [0, 1])), 1)).toEqual([255, 255, 255, 255]);
    expect(pixel(renderImage(tensor([3, 1, 1], [1, 0, 0.2])), 0)).toEqual([255, 0, 51, 255]);
  });

  it('takes the image asked for and cuts off values outside [0, 1]', () => {
    const batch = tensor([2, 1, 1, 2], [0, 0, -3, 7]);
    const bitmap = renderImage(batch, { index: 1 });
    expect([pixel(bitmap, 0)[0], pixel(bitmap, 1)[0]]).toEqual([0, 255]);
  });

  it.each([
    [tensor([1, 2, 1, 1], [0, 0]), 0],
    [tensor([2], [0, 0]), 0],
    [tensor([1, 1, 1, 1], [0]), 1],
  ])('refuses %j', (image, index) => {
    expect(() => renderImage(image, { index })).toThrow(RangeError);
  });
});

it('draws a perturbation around mid-grey', () => {
  const bitmap = renderPerturbation(tensor([1, 1, 1, 3], [0.2, 0.5, 0.5]), tensor([1, 1, 1, 3], [0.2, 0.53, 0.3]));
  expect([0, 1, 2].map((x) => pixel(bitmap, x)[0])).toEqual([128, 204, 0]);
});

describe('renderAttribution', () => {
  it('sums channels, clips at the percentile of magnitudes and reports the figures', () => {
    const values = Array.from({ length: 100 }, (_, i) => (i % 4 === 0 ? -i : i) / 100);
    const doubled = tensor([1, 2, 10, 10], [...values, ...values]);
    const { clip, positiveShare, bitmap } = renderAttribution(doubled);
    expect(clip).toBeCloseTo(
      percentile(
        values.map((value) => 2 * Math.abs(value)),
        99,
      ),
      6,
    );
    expect(positiveShare).toBeCloseTo((4950 - 1200) / 4950, 6);
    expect(pixel(bitmap, 9, 9)).toEqual([...colorOf(DIVERGING, 1), 255]);
    expect(pixel(bitmap, 0, 0)).toEqual([...colorOf(DIVERGING, 0), 255]);
  });

  it('lets channels of opposite sign cancel only when signed', () => {
    const opposite = tensor([1, 2, 1, 1], [1, -1]);
    expect(renderAttribution(opposite).clip).toBe(0);
    const magnitude = renderAttribution(opposite, { kind: 'magnitude' });
    expect(magnitude.clip).toBe(2);
    expect(pixel(magnitude.bitmap, 0)).toEqual([...colorOf(SEQUENTIAL, 1), 255]);
  });

  it('draws nothing but neutral for an attribution of zero', () => {
    const { bitmap, clip, positiveShare } = renderAttribution(tensor([1, 1, 1, 2], [0, 0]));
    expect(clip).toBe(0);
    expect(positiveShare).toBeNaN();
    expect(pixel(bitmap, 1)).toEqual([...colorOf(DIVERGING, 0), 255]);
  });

  it('shows a map so sparse that its percentile is zero', () => {
    const sparse = tensor([1, 1, 1, 1000], [5, ...new Array<number>(999).fill(0)]);
    expect(renderAttribution(sparse).clip).toBe(5);
  });

  it('shares a scale given by the caller', () => {
    const { bitmap, clip } = renderAttribution(tensor([1, 1, 1, 2], [1, -2]), { clip: 4 });
    expect(clip).toBe(4);
    expect(pixel(bitmap, 1)).toEqual([...colorOf(DIVERGING, -0.5), 255]);
  });
});

it('lays an attribution over a grey image', () => {
  const { bitmap } = renderOverlay(tensor([1, 1, 1, 3], [1, 0, 0]), tensor([1, 1, 1, 3], [0, 2, -2]), { clip: 2 });
  expect(pixel(bitmap, 0)).toEqual([255, 255, 255, 255]);
  expect(pixel(bitmap, 1)).toEqual([...colorOf(DIVERGING, 1), 255]);
  expect(pixel(bitmap, 2)).toEqual([...colorOf(DIVERGING, -1), 255]);
  expect(() => renderOverlay(tensor([1, 1, 1, 1], [0]), tensor([1, 1, 1, 2], [0, 0]))).toThrow(RangeError);
});

it('lays magnitudes over it in the warm colours', () => {
  const image = tensor([1, 1, 1, 2], [0, 0]);
  const { bitmap } = renderOverlay(image, tensor([1, 1, 1, 2], [-2, 0]), { kind: 'magnitude' });
  expect(pixel(bitmap, 0)).toEqual([...colorOf(DIVERGING, 1), 255]);
});

describe('several maps', () => {
  const [a, b] = [tensor([1, 2, 1, 2], [1, 2, 1, -1]), tensor([1, 2, 1, 2], [0, 10, 20, 0])];

  it('have their figures without being drawn', () =>
    expect(attributionScale(b, { percentile: 50 })).toEqual({ clip: 15, positiveShare: 1 }));

  it('differ by what is left of each over its own scale', () => {
    const difference = attributionDifference(a, b, { clips: [2, 40] });
    expect(difference.shape).toEqual([1, 1, 1, 2]);
    expect([...difference.data]).toEqual([20 / 40 - 2 / 2, 10 / 40 - 1 / 2]);
    // What is beyond the strongest colour is drawn as it.
    expect([...attributionDifference(a, b, { clips: [2, 5] }).data]).toEqual([0, 0.5]);
    const rounded = { ...a, data: a.data.map((value) => value * (1 + 1e-7)) };
    expect([...attributionDifference(a, rounded, { clips: [2, 2] }).data]).toEqual([0, 0]);
    expect(() => attributionDifference(a, tensor([1, 1, 1, 3], [0, 0, 0]), { clips: [1, 1] })).toThrow(RangeError);
  });

  it('are drawn by the sum of their channels', () => {
    expect(sumChannels(a)).toEqual(tensor([1, 1, 1, 2], [2, 1]));
    expect(sumChannels(tensor([2, 3], [1, 2, 3, 4, 5, 6])).shape).toEqual([2, 1, 1, 3]);
  });
});

it('draws a colour bar from end to end', () => {
  const bar = renderColorbar(DIVERGING, { width: 3, height: 2 });
  expect([0, 1, 2].map((x) => pixel(bar, x, 1).slice(0, 3))).toEqual([-1, 0, 1].map((t) => [...colorOf(DIVERGING, t)]));
});

describe('geometry', () => {
  const dot = (shade: number) => createBitmap(1, 1, [shade, shade, shade, 255]);

  it('enlarges by whole pixels', () => {
    const large = upscale(renderImage(tensor([1, 1, 1, 2], [0, 1])), 3);
    expect([large.width, large.height]).toEqual([6, 3]);
    expect([pixel(large, 2, 2)[0], pixel(large, 3, 2)[0]]).toEqual([0, 255]);
    expect(() => upscale(large, 1.5)).toThrow(RangeError);
  });

  it('arranges a grid with gaps and empty cells', () => {
    const grid = arrangeGrid(
      [
        [dot(10), undefined],
        [dot(20), upscale(dot(30), 2)],
      ],
      { gap: 1 },
    );
    expect([grid.width, grid.height]).toEqual([4, 4]);
    expect([pixel(grid, 0, 0)[0], pixel(grid, 0, 2)[0], pixel(grid, 3, 3)[0]]).toEqual([10, 20, 30]);
    expect(pixel(grid, 1, 0)[3]).toBe(0);
  });

  it('outlines a mask along pixel edges', () => {
    expect(maskOutline(tensor([1, 1, 3, 4], [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]))).toEqual({
      width: 4,
      height: 3,
      path: 'M1 1h2M1 2h2M1 1v1M3 1v1',
    });
  });
});
