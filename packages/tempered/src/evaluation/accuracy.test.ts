import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fgsm } from '../attacks/fgsm.ts';
import { pgd } from '../attacks/pgd.ts';
import { restarts } from '../attacks/restarts.ts';
import { fromArrays, subset } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import { Classifier } from '../models/classifier.ts';
import { affineModel } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type AccuracyAtEpsilon, accuracyUnderAttack, naturalAccuracy, proportion } from './accuracy.ts';

let runtime: Runtime;
/** Class 1 where the pixel is above one half. */
let threshold: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  const model = affineModel([1, 1, 1], [[-1], [1]], [0.5, -0.5]);
  threshold = new Classifier({ ...model, classes: ['dark', 'light'] }, runtime);
});
afterAll(() => runtime.close());

/** Distances to the threshold: 0.4, 0.25, 0.1, 0.05, 0.3, and two images that are wrong, 0.1 and 0.4 beyond it. */
const dataset = fromArrays({
  name: 'greys',
  split: 'test',
  classes: ['dark', 'light'],
  imageShape: [1, 1, 1],
  pixels: Float32Array.of(0.1, 0.25, 0.4, 0.55, 0.8, 0.6, 0.1),
  labels: [0, 0, 0, 1, 1, 0, 1],
});

describe('accuracy', () => {
  it('is a share with its interval', async () => {
    const found = await naturalAccuracy(threshold, dataset);
    expect(found).toEqual(proportion(5, 7));
    expect(found).toMatchObject({ correct: 5, count: 7, accuracy: 5 / 7 });
    expect(found.lower).toBeGreaterThan(0);
    expect(found.lower).toBeLessThan(5 / 7);
    expect(found.upper).toBeGreaterThan(5 / 7);
  });

  it.each([
    ['FGSM', fgsm()],
    ['PGD', pgd({ steps: 10 })],
    ['PGD on the margin, l2', pgd({ steps: 10, norm: 'l2', loss: 'margin' })],
    ['PGD, best of restarts', restarts(pgd({ steps: 5, keep: 'worst' }), 2)],
  ])('under attack counts the images that stand: %s', async (_, attack) => {
    const seen: AccuracyAtEpsilon[] = [];
    const epsilons = [0, 0.04, 0.06, 0.2, 0.28, 0.35, 0.5];
    const found = await accuracyUnderAttack(threshold, {
      dataset,
      attack,
      epsilons,
      onEpsilon: (result) => seen.push(result),
    });
    // Counted by hand from the distances; images that are wrong stay wrong.
    expect(found.map(({ correct }) => correct)).toEqual([5, 5, 4, 3, 2, 1, 0]);
    expect(found.map(({ epsilon, count }) => [epsilon, count])).toEqual(epsilons.map((epsilon) => [epsilon, 7]));
    expect(seen).toEqual(found);
  });

  it('without a single right image is 0 everywhere', async () => {
    const wrong = fromArrays({
      name: 'wrong',
      split: 'test',
      classes: ['dark', 'light'],
      imageShape: [1, 1, 1],
      pixels: Float32Array.of(1, 0),
      labels: [0, 1],
    });
    const found = await accuracyUnderAttack(threshold, { dataset: wrong, attack: pgd(), epsilons: [0, 0.1] });
    expect(found.map(({ accuracy }) => accuracy)).toEqual([0, 0]);
  });

  it('reports progress that never goes back', async () => {
    const shares: number[] = [];
    const onProgress = ({ done, total }: { done: number; total: number }) => shares.push(done / total);
    await accuracyUnderAttack(threshold, { dataset, attack: pgd({ steps: 3 }), epsilons: [0.1, 0.2], onProgress });
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.at(-1)).toBe(1);
  });

  it('never turns the whole set into floats at once, and is the same however it is cut', async () => {
    let largest = 0;
    const watched = {
      ...dataset,
      batch: (indices: ArrayLike<number>) => {
        largest = Math.max(largest, indices.length);
        return dataset.batch(indices);
      },
    };
    const many = subset(
      watched,
      Uint32Array.from({ length: 70 }, (_, i) => i % 7),
    );
    const measure = (batchSize: number) =>
      accuracyUnderAttack(threshold, { dataset: many, attack: pgd({ steps: 2 }), epsilons: [0, 0.2], batchSize });
    const cut = await measure(1);
    expect(largest).toBeLessThanOrEqual(20);
    expect(cut.map(({ correct }) => correct)).toEqual([50, 30]);
    expect(await measure(50)).toEqual(cut);
    largest = 0;
    expect(await naturalAccuracy(threshold, many, { batchSize: 1 })).toEqual(proportion(50, 70));
    expect(largest).toBeLessThanOrEqual(20);
  });

  it('counts the images that give no gradient', async () => {
    const steep = affineModel([1, 1, 1], [[-1e4], [1e4]], [5e3, -5e3]);
    const saturated = new Classifier({ ...steep, classes: dataset.classes }, runtime);
    const attack = { steps: 3, randomStart: false };
    const at = (loss: 'cross-entropy' | 'margin') =>
      accuracyUnderAttack(saturated, { dataset, attack: pgd({ ...attack, loss }), epsilons: [0, 0.5] });
    expect((await at('cross-entropy')).map(({ correct, zeroGradients }) => [correct, zeroGradients])).toEqual([
      [5, 0],
      [5, 5],
    ]);
    expect((await at('margin')).map(({ correct, zeroGradients }) => [correct, zeroGradients])).toEqual([
      [5, 0],
      [0, 0],
    ]);
  });

  it('refuses a negative ε before any work, and stops when asked', async () => {
    const measure = (over: object) =>
      accuracyUnderAttack(threshold, { dataset, attack: pgd(), epsilons: [0.1], ...over });
    const seen: number[] = [];
    await expect(measure({ epsilons: [0.1, -0.1], onEpsilon: () => seen.push(1) })).rejects.toThrow(UsageError);
    expect(seen).toEqual([]);
    await expect(measure({ signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no');
  });
});
