/** Deletion, insertion and pixel flipping on models whose curves are known. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../errors.ts';
import { Classifier } from '../../models/classifier.ts';
import { affineModel, noiseImages } from '../../models/testing/small-models.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Tensor } from '../../tensor.ts';
import { deletion, insertion } from './insertion-deletion.ts';
import { type ExplanationMeasure, kindOf } from './measures.ts';
import { pixelFlipping } from './pixel-flipping.ts';
import { taskOf } from './testing/task.ts';

const WEIGHTS = [5, 1, -2, 3];

let runtime: Runtime;
let classifier: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  classifier = new Classifier(affineModel([1, 2, 2], [WEIGHTS, [0, 0, 0, 0]]), runtime);
});
afterAll(() => runtime.close());

const ones: Tensor = { shape: [1, 1, 2, 2], data: Float32Array.of(1, 1, 1, 1) };
const map = (...values: number[]): Tensor => ({ shape: [1, 1, 2, 2], data: Float32Array.from(values) });
const score = async (measure: ExplanationMeasure, attributions: Tensor, images = ones) =>
  (await kindOf(measure).score(taskOf(classifier, images, attributions), measure))[0];

const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
/** By trapezoids of equal width. */
const area = (values: number[]) => mean(values.slice(1).map((value, i) => (value + values[i]!) / 2));

describe('curves of a linear model', () => {
  // The logit is 7 with all pixels; the best map takes 5, 3, 1 and −2 away in this order.
  const logits = [7, 2, -1, -2, 0];
  const exact = map(...WEIGHTS);

  it.each<[string, ExplanationMeasure, Tensor, number]>([
    ['deletion, logits', deletion({ step: 0.25, of: 'logit' }), exact, area(logits)],
    ['deletion, probabilities', deletion({ step: 0.25 }), exact, area(logits.map(sigmoid))],
    ['deletion, half the pixels a step', deletion({ step: 0.5, of: 'logit' }), exact, area([7, -1, 0])],
    ['deletion by the reversed map', deletion({ step: 0.25, of: 'logit' }), map(-5, -1, 2, -3), area([7, 9, 8, 5, 0])],
    ['insertion into black', insertion({ step: 0.25, of: 'logit', fill: 'black' }), exact, area([0, 5, 8, 9, 7])],
    ['insertion into the mean of white, which is white', insertion({ fill: 'mean', of: 'logit' }), exact, 7],
    ['insertion into the blur of white', insertion({ of: 'logit' }), exact, 7],
    [
      'AOPC, from most to least relevant',
      pixelFlipping({ step: 0.25, of: 'logit', fill: 'black' }),
      exact,
      mean(logits.map((logit) => 7 - logit)),
    ],
    [
      'AOPC, from least to most relevant',
      pixelFlipping({ step: 0.25, of: 'logit', fill: 'black', order: 'lerf' }),
      exact,
      mean([7, 9, 8, 5, 0].map((logit) => 7 - logit)),
    ],
    [
      'their difference',
      pixelFlipping({ step: 0.25, of: 'logit', fill: 'black', order: 'difference' }),
      exact,
      mean([7, 9, 8, 5, 0]) - mean(logits),
    ],
    [
      'AOPC of the first half',
      pixelFlipping({ step: 0.25, of: 'logit', fill: 'black', until: 0.5 }),
      exact,
      mean([0, 5, 8]),
    ],
    ['AOPC of the one region', pixelFlipping({ region: 2, step: 1, of: 'logit', fill: 'black' }), exact, 3.5],
  ])('%s', async (_, measure, attributions, expected) => {
    expect(await score(measure, attributions)).toBeCloseTo(expected, 5);
  });

  it('replace all channels of a pixel', async () => {
    const colour = new Classifier(
      affineModel(
        [2, 1, 2],
        [
          [1, 2, 4, 8],
          [0, 0, 0, 0],
        ],
      ),
      runtime,
    );
    const images = { shape: [1, 2, 1, 2], data: Float32Array.of(1, 1, 1, 1) };
    const measure = deletion({ step: 0.5, of: 'logit' });
    const [first] = await kindOf(measure).score(
      taskOf(colour, images, { shape: [1, 1, 1, 2], data: Float32Array.of(1, 0) }),
      measure,
    );
    expect(first).toBeCloseTo(area([15, 10, 0]), 5);
  });

  it('do not depend on how images are batched', async () => {
    const images = noiseImages(5, [1, 2, 2]);
    const attributions = noiseImages(5, [1, 2, 2], 2);
    for (const measure of [deletion({ step: 0.25 }), pixelFlipping({ fill: 'uniform' })]) {
      const task = taskOf(classifier, images, attributions);
      const [some, one] = [
        await kindOf(measure).score(task, measure),
        await kindOf(measure).score({ ...task, batchSize: 1 }, measure),
      ];
      some.forEach((value, i) => void expect(one[i]).toBeCloseTo(value, 6));
    }
  });

  it('stop when they are told to, and say how far they are', async () => {
    const measure = deletion();
    const seen: number[] = [];
    const onProgress = ({ done }: { done: number }) => void seen.push(done);
    await kindOf(measure).score(taskOf(classifier, ones, exact, { batchSize: 2, onProgress }), measure);
    expect(seen).toEqual([2, 4, 5]);
    const signal = AbortSignal.abort();
    await expect(kindOf(measure).score(taskOf(classifier, ones, exact, { signal }), measure)).rejects.toThrow('abort');
  });

  it.each([
    [() => deletion({ step: 0 }), 'a step must be a share of the pixels, above 0 and at most 1, not 0'],
    [() => insertion({ step: 1.5 }), 'a step must be'],
    [() => pixelFlipping({ region: 0 }), 'region must be a whole number, 1 or more, not 0'],
    [() => pixelFlipping({ until: 2 }), 'until must be above 0 and at most 1, not 2'],
  ])('refuse %o', (make, message) => {
    expect(make).toThrow(UsageError);
    expect(make).toThrow(message);
  });
});
