import { describe, expect, it } from 'vitest';
import { UsageError } from '../../errors.ts';
import { labOf } from '../../image/lab.ts';
import { noiseImages } from '../../models/testing/small-models.ts';
import { root } from '../../portable-math.ts';
import type { Tensor } from '../../tensor.ts';
import { type Segmentation, superpixels } from './superpixels.ts';

/** An image of three channels from the colour of each place. */
function painted(height: number, width: number, colour: (y: number, x: number) => readonly number[]): Tensor {
  const data = new Float32Array(3 * height * width);
  for (let p = 0; p < height * width; p++)
    colour(Math.floor(p / width), p % width).forEach((value, c) => {
      data[c * height * width + p] = value;
    });
  return { shape: [3, height, width], data };
}

/** How many connected parts each segment has, by flooding from every first pixel. */
function partsBySegment({ count, labels }: Segmentation, width: number): number[] {
  const parts = new Array<number>(count).fill(0);
  const seen = new Set<number>();
  for (let start = 0; start < labels.length; start++) {
    if (seen.has(start)) continue;
    parts[labels[start]!]! += 1;
    const open = [start];
    while (open.length > 0) {
      const p = open.pop()!;
      if (seen.has(p)) continue;
      seen.add(p);
      const beside = [
        p - width,
        p + width,
        ...(p % width > 0 ? [p - 1] : []),
        ...(p % width < width - 1 ? [p + 1] : []),
      ];
      open.push(...beside.filter((q) => labels[q] === labels[start]));
    }
  }
  return parts;
}

const RED = [0.9, 0.1, 0.1];
const BLUE = [0.1, 0.1, 0.9];

describe('superpixels', () => {
  it('of four colours are the four quarters', () => {
    const quarters = [RED, BLUE, [0.1, 0.8, 0.1], [0.9, 0.9, 0.1]];
    // The quarters meet off the middle, where a grid would not.
    const quarter = (y: number, x: number) => (y < 9 ? 0 : 2) + (x < 14 ? 0 : 1);
    const { count, labels } = superpixels(
      painted(20, 24, (y, x) => quarters[quarter(y, x)]!),
      { count: 4 },
    );
    expect(count).toBe(4);
    labels.forEach((label, p) => {
      expect(label).toBe(quarter(Math.floor(p / 24), p % 24));
    });
  });

  it('do not cross the edge of a disc', () => {
    const inside = (y: number, x: number) => (y - 20) ** 2 + (x - 15) ** 2 < 100;
    const image = painted(40, 36, (y, x) => (inside(y, x) ? RED : BLUE));
    const { count, labels } = superpixels(image, { count: 30 });
    expect(count).toBeGreaterThan(15);
    for (let segment = 0; segment < count; segment++) {
      const places = [...labels.keys()].filter((p) => labels[p] === segment);
      const share = places.filter((p) => inside(Math.floor(p / 36), p % 36)).length / places.length;
      expect(share * (1 - share)).toBe(0);
    }
  });

  it('of one colour are a grid', () => {
    const { count, labels } = superpixels(
      painted(12, 18, () => BLUE),
      { count: 6 },
    );
    expect(count).toBe(6);
    expect([labels[0], labels[17], labels[6 * 18], labels[12 * 18 - 1]]).toEqual([0, 2, 3, 5]);
    const sizes = Array.from({ length: 6 }, (_, k) => labels.filter((label) => label === k).length);
    expect(sizes).toEqual([36, 36, 36, 36, 36, 36]);
  });

  it.each([
    ['noise', noiseImages(1, [3, 33, 29]), 40, 0.1],
    ['noise, compact', noiseImages(1, [3, 33, 29]), 40, 100],
    ['grey noise', noiseImages(1, [1, 28, 28]), 50, 10],
    ['two channels', noiseImages(1, [2, 16, 16]), 9, 10],
    ['one row', noiseImages(1, [3, 1, 40]), 5, 10],
    ['as many as pixels', noiseImages(1, [3, 4, 4]), 16, 10],
    ['one', noiseImages(1, [3, 16, 16]), 1, 10],
  ])('of %s are connected, numbered without gaps, not too many, and the same every time', (_, image, wanted, m) => {
    const width = image.shape[3]!;
    const segmentation = superpixels(image, { count: wanted, compactness: m });
    const { count, labels } = segmentation;
    expect(labels.length).toBe(image.shape[2]! * width);
    expect(new Set(labels).size).toBe(count);
    expect([Math.min(...labels), Math.max(...labels)]).toEqual([0, count - 1]);
    expect(count).toBeLessThanOrEqual(wanted);
    expect(partsBySegment(segmentation, width)).toEqual(new Array(count).fill(1));
    expect(superpixels(image, { count: wanted, compactness: m })).toEqual(segmentation);
  });

  it('are nearly squares when compactness is high', () => {
    const { count } = superpixels(noiseImages(1, [3, 32, 32]), { count: 16, compactness: 1000 });
    expect(count).toBe(16);
  });

  it.each([
    [{ count: 0 }, noiseImages(1, [3, 8, 8]), /count of superpixels/],
    [{ compactness: 0 }, noiseImages(1, [3, 8, 8]), /compactness must be above 0/],
    [{}, noiseImages(2, [3, 8, 8]), /parts of one image/],
    [{}, noiseImages(1, [8]), /parts of one image/],
  ])('refuse %o', (options, image, message) => {
    expect(() => superpixels(image, options)).toThrow(UsageError);
    expect(() => superpixels(image, options)).toThrow(message);
  });
});

describe('CIELAB', () => {
  it.each([
    ['white', [1, 1, 1], [100, 0, 0]],
    ['black', [0, 0, 0], [0, 0, 0]],
    ['red', [1, 0, 0], [53.2408, 80.0925, 67.2032]],
    ['green', [0, 1, 0], [87.7347, -86.1827, 83.1793]],
    ['blue', [0, 0, 1], [32.297, 79.1875, -107.8602]],
    ['mid grey', [0.5, 0.5, 0.5], [53.389, 0, 0]],
  ])('%s has its published values', (_, colour, expected) => {
    const found = labOf(Float32Array.from(colour), 3);
    for (let i = 0; i < 3; i++) expect(Math.abs(found[i]! - expected[i]!)).toBeLessThan(0.02);
  });

  it('of grey is that of three equal channels', () => {
    const grey = Float32Array.of(0, 0.02, 0.3, 1);
    expect(labOf(grey, 1)).toEqual(labOf(Float32Array.of(...grey, ...grey, ...grey), 3));
  });
});

it('roots are those of Math', () => {
  for (const x of [1e-6, 0.008, 0.3, 1, 7, 1e6])
    for (const n of [2, 3, 5]) expect(Math.abs(root(x, n) / x ** (1 / n) - 1)).toBeLessThan(1e-14);
  expect(root(0, 3)).toBe(0);
});
