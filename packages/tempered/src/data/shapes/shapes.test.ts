import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../errors.ts';
import type { Dataset } from '../dataset.ts';
import { fillCoverage } from './coverage.ts';
import { classPatterns } from './pattern.ts';
import { SHAPES_CLASSES, shapes } from './shapes.ts';
import { SILHOUETTES } from './silhouettes.ts';

const all = (dataset: Dataset) => Uint32Array.from({ length: dataset.count }, (_, i) => i);
const bytesOf = (dataset: Dataset) =>
  Uint8Array.from(dataset.batch(all(dataset)).images.data, (v) => Math.round(255 * v));
const digestOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
// Turned a little (0.96² + 0.28² = 1): sample points along an upright edge would all fall on the same side.
const pose = { x: 16, y: 16, scale: 14, cos: 0.96, sin: 0.28 };
const PATTERNS = classPatterns(32);

/** The class whose pattern correlates most with the image. */
function strongestPattern(image: Float32Array): number {
  const scores = PATTERNS.map((pattern) => {
    let sum = 0;
    for (let p = 0; p < image.length; p++) sum += image[p]! * pattern[p % 1024]!;
    return sum;
  });
  return scores.indexOf(Math.max(...scores));
}

describe('silhouettes', () => {
  it('are the ten that were asked for', () => {
    expect(SHAPES_CLASSES).toEqual([
      'circle',
      'square',
      'triangle',
      'star',
      'cross',
      'ring',
      'heart',
      'arrow',
      'crescent',
      'bolt',
    ]);
  });

  it.each(SILHOUETTES)('$name fills its area and is centred', ({ outlines }) => {
    const coverage = new Uint8Array(32 * 32);
    fillCoverage(coverage, 32, outlines, pose);
    const area = coverage.reduce((sum, v) => sum + v, 0) / 16;
    expect(Math.abs(area / 14 ** 2 - 1)).toBeLessThan(0.02);
    for (const along of [(p: number) => p % 32, (p: number) => Math.floor(p / 32)]) {
      const mean = coverage.reduce((sum, v, p) => sum + v * (along(p) + 0.5), 0) / (16 * area);
      expect(mean).toBeCloseTo(16, 0.7);
    }
  });

  it('fills a square exactly, and leaves the hole of a ring', () => {
    const coverage = new Uint8Array(32 * 32);
    fillCoverage(coverage, 32, [[-0.5, -0.5, 0.5, -0.5, 0.5, 0.5, -0.5, 0.5]], {
      x: 2.5,
      y: 2,
      scale: 3,
      cos: 1,
      sin: 0,
    });
    expect([...coverage.subarray(0, 5)]).toEqual([0, 8, 8, 8, 0]);
    expect([...coverage.subarray(32, 37)]).toEqual([0, 16, 16, 16, 0]);
    expect([...coverage.subarray(96, 101)]).toEqual([0, 8, 8, 8, 0]);
    const ring = SILHOUETTES[SHAPES_CLASSES.indexOf('ring')]!;
    fillCoverage(coverage, 32, ring.outlines, pose);
    expect(coverage[16 * 32 + 16]).toBe(0);
    expect(coverage[16 * 32 + 16 + 7]).toBe(16);
  });

  it('cuts what reaches over the frame', () => {
    const coverage = new Uint8Array(32 * 32);
    fillCoverage(coverage, 32, SILHOUETTES[1]!.outlines, { ...pose, x: -3, y: 40, scale: 100 });
    expect(Math.max(...coverage)).toBe(16);
  });
});

describe('patterns', () => {
  it('are ±1, orthogonal, of mean zero and of high frequency', () => {
    PATTERNS.forEach((a, i) => {
      expect(a.every((v) => Math.abs(v) === 1)).toBe(true);
      expect(a.reduce((sum, v) => sum + v, 0)).toBe(0);
      PATTERNS.forEach((b, j) => {
        expect(a.reduce((sum, v, p) => sum + v * b[p]!, 0)).toBe(i === j ? 1024 : 0);
      });
      // Neighbours along one axis differ in sign at least three times in four.
      const flips = (step: number) => a.reduce((sum, v, p) => sum + (v !== a[(p + step) % 1024] ? 1 : 0), 0) / 1024;
      expect(Math.max(flips(1), flips(32))).toBeGreaterThan(0.7);
    });
  });
});

describe('shapes', () => {
  it('keeps its bytes: they are the same on every platform and in every version', () => {
    const digest = (split: 'train' | 'test' | 'conflict') => digestOf(bytesOf(shapes({ split, count: 50 })));
    expect([digest('train'), digest('test'), digest('conflict')]).toMatchInlineSnapshot(`
      [
        "74bafccee7b0f44039cc75dfec5e3d18fb62141dd232e2e92fe9ddf888283a76",
        "890c1eb156c25616e53049141638ca0a8003520fd56c4d09b7130f870ba75989",
        "22e2c8d66b2ee7c17950833b4e9c9f42c395976964806ad95b62fcf85a7ac850",
      ]
    `);
  });

  it('has the sizes that were asked for, and classes in turn', () => {
    const test = shapes({ split: 'test' });
    expect(test).toMatchObject({ count: 2000, imageShape: [3, 32, 32], classes: SHAPES_CLASSES });
    expect([...test.batch(all(test)).labels.subarray(0, 12)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
  });

  it('depends on seed, split and index only', () => {
    const few = bytesOf(shapes({ split: 'train', count: 20 }));
    const more = bytesOf(shapes({ split: 'train', count: 40 }));
    expect(digestOf(more.subarray(0, few.length))).toBe(digestOf(few));
    expect(digestOf(bytesOf(shapes({ split: 'train', count: 20, seed: 1 })))).not.toBe(digestOf(few));
    expect(digestOf(bytesOf(shapes({ split: 'test', count: 20 })))).not.toBe(digestOf(few));
  });

  it('shows the pictures of the test split in the conflict split, with other patterns', () => {
    const plain = { count: 50, amplitude: 0 };
    const bare = bytesOf(shapes({ split: 'test', ...plain }));
    expect(digestOf(bytesOf(shapes({ split: 'conflict', ...plain })))).toBe(digestOf(bare));
    const test = bytesOf(shapes({ split: 'test', count: 50 }));
    const conflict = bytesOf(shapes({ split: 'conflict', count: 50 }));
    expect(test.reduce((largest, v, i) => Math.max(largest, Math.abs(v - conflict[i]!)), 0)).toBe(8);
  });

  it.each([
    { split: 'train', agreement: 0.9 },
    { split: 'test', agreement: 0.9 },
    { split: 'conflict', agreement: 0.1 },
  ] as const)('$split: the pattern agrees with the label at the rate $agreement', ({ split, agreement }) => {
    const dataset = shapes({ split, count: 1000, texture: 0, clutter: 0, noise: 0 });
    const { images, labels } = dataset.batch(all(dataset));
    let agreeing = 0;
    labels.forEach((label, i) => {
      if (strongestPattern(images.data.subarray(i * 3072, (i + 1) * 3072)) === label) agreeing++;
    });
    // Four standard deviations of the count.
    expect(Math.abs(agreeing / 1000 - agreement)).toBeLessThan(
      4 * Math.sqrt((agreement * (1 - agreement)) / 1000) + 0.01,
    );
  });

  it('adds the pattern in full, at the amplitude asked for', () => {
    const bare = bytesOf(shapes({ split: 'train', count: 10, amplitude: 0 }));
    const changed = bytesOf(shapes({ split: 'train', count: 10, amplitude: 6, agreement: 1 }));
    const wrong = bare.findIndex((value, i) => {
      const inRange = value >= 6 && value <= 249;
      return inRange && changed[i]! - value !== 6 * PATTERNS[Math.floor(i / 3072)]![i % 1024]!;
    });
    expect(wrong).toBe(-1);
  });

  it('has masks that cover between 15 % and 45 % of the image and are brighter than the rest', () => {
    const dataset = shapes({ split: 'train', count: 200, texture: 0, clutter: 0, noise: 0, amplitude: 0 });
    const masks = dataset.masks!(all(dataset)).data;
    const { images } = dataset.batch(all(dataset));
    for (let i = 0; i < dataset.count; i++) {
      const mask = masks.subarray(i * 1024, (i + 1) * 1024);
      const area = mask.reduce((sum, v) => sum + v, 0) / 1024;
      expect(area).toBeGreaterThan(0.13); // 15 % less what lies over the frame
      expect(area).toBeLessThan(0.47);
      const difference = [0, 1, 2].map((channel) => {
        const pixels = images.data.subarray(i * 3072 + channel * 1024, i * 3072 + (channel + 1) * 1024);
        const inside = [...pixels].filter((_, p) => mask[p] === 1);
        const outside = [...pixels].filter((_, p) => mask[p] === 0);
        return median(inside) - median(outside);
      });
      expect(Math.max(...difference.map(Math.abs))).toBeGreaterThan(0.34);
      expect(0.299 * difference[0]! + 0.587 * difference[1]! + 0.114 * difference[2]!).toBeGreaterThan(0.11);
    }
  });

  it.each([
    { count: -1 },
    { count: 1.5 },
    { agreement: 2 },
    { amplitude: -1 },
    { amplitude: 200 },
    { contrast: 0.9 },
    { area: [0.5, 0.2] as const },
  ])('refuses %o', (options) => {
    expect(() => shapes({ split: 'train', ...options })).toThrow(UsageError);
  });
});

const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
