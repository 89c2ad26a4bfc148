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
const dataset = fromArrays({
  name: 'greys',
  split: 'test',
  classes: ['dark', 'light'],
  imageShape: [1, 1, 1],
  pixels: Float32Array.of(0.1, 0.25, 0.6, 0.55, 0.9),
  labels: [0, 0, 1, 1, 0],
});

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

  it('need an attack that looks for them', async () => {
    await expect(minimalDistances(threshold, { dataset, attack: pgd() })).rejects.toThrow(
      /searches inside a given ball/,
    );
  });
});
