import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deepFool } from '../attacks/deep-fool.ts';
import { pgd } from '../attacks/pgd.ts';
import { fromArrays } from '../data/dataset.ts';
import { Classifier } from '../models/classifier.ts';
import { affineModel } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { minimalDistances } from './minimal-distances.ts';

let runtime: Runtime;
let threshold: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  const model = affineModel([1, 1, 1], [[-1], [1]], [0.5, -0.5]);
  threshold = new Classifier({ ...model, classes: ['dark', 'light'] }, runtime);
});
afterAll(() => runtime.close());

/** At these distances from the threshold, one half; the last image is wrong. */
const DISTANCES = [0.4, 0.25, 0.1, 0.05];
const of = (pixels: Float32Array) => ({
  ...{ name: 'greys', split: 'test', classes: ['dark', 'light'], pixels },
  imageShape: [1, 1, 1] as const,
});
const dataset = fromArrays({ ...of(Float32Array.of(0.1, 0.25, 0.6, 0.55, 0.9)), labels: [0, 0, 1, 1, 0] });

describe('minimal distances', () => {
  it('are those to the threshold, summarised over the images that are right', async () => {
    const attack = deepFool({ norm: 'linf', overshoot: 1e-4 });
    const { distances, attacked, found, quantiles, norm } = await minimalDistances(threshold, { dataset, attack });
    expect(norm).toBe('linf');
    expect([attacked, found]).toEqual([4, 4]);
    for (const [i, expected] of DISTANCES.entries()) expect(distances[i]).toBeCloseTo(expected, 3);
    expect(distances[4]).toBe(0);
    expect(quantiles.median).toBeCloseTo(0.1, 3);
    expect(quantiles.p95).toBeCloseTo(0.4, 3);
  });

  it('are infinite where nothing is found', async () => {
    const constant = new Classifier(
      { ...affineModel([1, 1, 1], [[0], [0]], [1, 0]), classes: ['dark', 'light'] },
      runtime,
    );
    const { quantiles, found, attacked } = await minimalDistances(constant, {
      dataset,
      attack: deepFool({ norm: 'linf' }),
    });
    expect([attacked, found]).toEqual([3, 0]);
    expect(quantiles.median).toBe(Number.POSITIVE_INFINITY);
  });

  it('are looked for some images at a time, and are the same', async () => {
    const pixels = Float32Array.from({ length: 45 }, (_, i) => (i + 1) / 100);
    const many = fromArrays({ ...of(pixels), labels: Array.from(pixels, () => 0) });
    let most = 0;
    const watched = {
      ...many,
      batch: (indices: ArrayLike<number>) => {
        most = Math.max(most, indices.length);
        return many.batch(indices);
      },
    };
    const attack = deepFool({ norm: 'linf', overshoot: 1e-4 });
    const seen: number[] = [];
    const { distances } = await minimalDistances(threshold, {
      ...{ dataset: watched, attack, batchSize: 1 },
      onProgress: ({ done, total = 0 }) => seen.push(done / total),
    });
    expect(most).toBe(15);
    for (const [i, pixel] of pixels.entries()) expect(distances[i]).toBeCloseTo(0.5 - pixel, 3);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(Math.max(...seen)).toBeLessThanOrEqual(1);
  });

  it('need an attack that looks for them', async () => {
    await expect(minimalDistances(threshold, { dataset, attack: pgd() })).rejects.toThrow(
      /searches inside a given ball/,
    );
  });
});
