import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { predictLogits } from '../models/predict.ts';
import { affineModel, modelOf, networkModel, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { filled, rows } from '../tensor.ts';
import { type AttributeOptions, type AttributionMethod, attribute } from './attribute.ts';
import { expectedGradients, gradientShap } from './expected-gradients.ts';
import { furthest } from './testing/furthest.ts';

const SHAPE = [2, 2, 3];
const SIZE = 12;
const images = noiseImages(4, SHAPE);
const background = noiseImages(7, SHAPE, 3);
const WEIGHTS = [0, 1, 2].map((k) => Array.from({ length: SIZE }, (_, i) => Math.sin(3 * k + i)));

let runtime: Runtime;
let affine: Classifier;
let smooth: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  affine = new Classifier(affineModel(SHAPE, WEIGHTS), runtime);
  smooth = new Classifier(networkModel({ inputShape: SHAPE, classes: 3, activation: 'Tanh', bias: true }), runtime);
});
afterAll(() => runtime.close());

const explain = (classifier: Classifier, method: AttributionMethod, options: Partial<AttributeOptions> = {}) =>
  attribute(classifier, { images, target: 1, method, ...options });

const largest = (data: Float32Array) => furthest(data, new Float32Array(data.length));

it('of an affine function are its weights times the distance from the mean background, within the standard error', async () => {
  const { attributions, certificate } = await explain(affine, expectedGradients({ background, samples: 700 }));
  const mean = Array.from({ length: SIZE }, (_, k) =>
    [0, 1, 2, 3, 4, 5, 6].reduce((sum, m) => sum + background.data[m * SIZE + k]! / 7, 0),
  );
  for (let i = 0; i < 4; i++) {
    const found = rows(attributions, i, i + 1).data;
    const errors = found.map((value, k) => value - WEIGHTS[1]![k]! * (images.data[i * SIZE + k]! - mean[k]!));
    const rms = Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / SIZE);
    const stated = certificate!.standardError![i]! * largest(found);
    expect(rms / stated).toBeGreaterThan(0.3);
    expect(rms / stated).toBeLessThan(2);
  }
});

it('of an affine function from one background image are exact, and local ones are the weights', async () => {
  const start = rows(background, 0, 1);
  const shares = await explain(affine, expectedGradients({ background: start, samples: 3 }));
  const closed = images.data.map((x, k) => WEIGHTS[1]![k % SIZE]! * (x - start.data[k % SIZE]!));
  expect(furthest(shares.attributions.data, closed)).toBeLessThan(1e-6);
  for (const method of [expectedGradients, gradientShap]) {
    const local = await explain(affine, method({ background, samples: 3, local: true }));
    const weights = closed.map((_, k) => WEIGHTS[1]![k % SIZE]!);
    expect(furthest(local.attributions.data, weights)).toBeLessThan(1e-6);
    expect(local.certificate!.completeness).toBeUndefined();
  }
});

it('add up to the output over the mean output of the background', async () => {
  const target = [0, 2, 2, 1];
  const { attributions, certificate, output, baseOutput } = await explain(
    smooth,
    expectedGradients({ background, samples: 2000 }),
    { target },
  );
  const logits = await predictLogits(smooth, background);
  target.forEach((k, i) => {
    const mean = [0, 1, 2, 3, 4, 5, 6].reduce((sum, m) => sum + logits.data[3 * m + k]! / 7, 0);
    expect(baseOutput![i]).toBeCloseTo(mean, 5);
    const { sum, difference } = certificate!.completeness![i]!;
    expect(difference).toBeCloseTo(output[i]! - mean, 4);
    // The standard error of a sum is at most the sum of the standard errors.
    const stated = certificate!.standardError![i]! * largest(rows(attributions, i, i + 1).data);
    const bound = SIZE * stated;
    expect(Math.abs(sum - difference)).toBeLessThan(bound);
    expect(bound).toBeLessThan(Math.abs(difference) / 2);
    expect(sum).toBeCloseTo(
      rows(attributions, i, i + 1).data.reduce((a, b) => a + b, 0),
      5,
    );
  });
});

it('of a cubic converge to their expectation', async () => {
  // f = Σ x³ from black: x · E[3 α² x²] = x³. With noise in x of deviation s: E[3 α² (x + ε)³] = x³ + 3 x s².
  const cubic = new Classifier(
    modelOf([2], 1, (g, x) => g.rename(g.reduceSum(g.mul(x, g.mul(x, x)), [1], true), 'logits')),
    runtime,
  );
  const x = { shape: [1, 2], data: Float32Array.of(0.5, 1) };
  const black = { shape: [1, 2], data: new Float32Array(2) };
  const of = async (sigma: number) =>
    (await attribute(cubic, { images: x, method: gradientShap({ background: black, samples: 6000, sigma }) }))
      .attributions.data;
  expect(furthest(await of(0), [0.125, 1])).toBeLessThan(0.05);
  expect(furthest(await of(0.3), [0.125 + 1.5 * 0.09, 1 + 3 * 0.09])).toBeLessThan(0.1);
});

it('GradientSHAP without noise is expected gradients; with noise it is not', async () => {
  const expected = await explain(smooth, expectedGradients({ background, samples: 5 }));
  const still = await explain(smooth, gradientShap({ background, samples: 5, sigma: 0 }));
  expect(still.attributions).toEqual(expected.attributions);
  const noisy = await explain(smooth, gradientShap({ background, samples: 5 }));
  expect(furthest(noisy.attributions.data, expected.attributions.data)).toBeGreaterThan(1e-3);
});

describe.each([expectedGradients({ background, samples: 5 }), gradientShap({ background, samples: 5 })])(
  '$name',
  (method) => {
    it('depends on seed and image number, not on batches', async () => {
      const whole = await explain(smooth, method, { batchSize: 64 });
      for (const batchSize of [1, 7]) {
        const parts = await explain(smooth, method, { batchSize });
        expect(furthest(parts.attributions.data, whole.attributions.data)).toBeLessThan(2e-6);
      }
      const later = await explain(smooth, method, { images: rows(images, 2, 4), imageNumbers: [2, 3] });
      expect(furthest(later.attributions.data, rows(whole.attributions, 2, 4).data)).toBeLessThan(2e-6);
      const other = await explain(smooth, method, { seed: 1 });
      expect(furthest(other.attributions.data, whole.attributions.data)).toBeGreaterThan(1e-3);
    });
  },
);

it.each<[string, AttributionMethod, Partial<AttributeOptions>, RegExp]>([
  [
    'an empty background',
    expectedGradients({ background: rows(background, 0, 0) }),
    {},
    /^the background has no images: expected-gradients starts at one of them$/,
  ],
  [
    'a background that is not finite',
    expectedGradients({ background: filled([1, ...SHAPE], Number.POSITIVE_INFINITY) }),
    {},
    /^the background has the value Infinity: nothing can be compared with it$/,
  ],
  ['a background of another shape', gradientShap({ background: noiseImages(2, [3]) }), {}, /^images of shape \[2, 3\]/],
  ['no samples', gradientShap({ background, samples: 0 }), {}, /^samples must be a whole number/],
  ['noise below 0', gradientShap({ background, sigma: -1 }), {}, /^sigma must be 0 or more, not -1$/],
  [
    'a layer',
    expectedGradients({ background }),
    { layer: 'logits' },
    /^expected-gradients attributes to the input: leave out the layer 'logits'$/,
  ],
])('refuses %s', (_, method, options, message) => expect(explain(affine, method, options)).rejects.toThrow(message));
