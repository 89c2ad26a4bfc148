import { afterAll, beforeAll, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { Classifier } from '../models/classifier.ts';
import { predictLogits } from '../models/predict.ts';
import { affineModel, modelOf, networkModel, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows } from '../tensor.ts';
import { activation } from './activation.ts';
import { attribute } from './attribute.ts';
import { deepLift } from './deep-lift.ts';
import { deepShap } from './deep-shap.ts';

const SHAPE = [2, 2, 3];
const images = noiseImages(3, SHAPE);
const background = noiseImages(7, SHAPE, 4);

let runtime: Runtime;
let network: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  network = new Classifier(networkModel({ inputShape: SHAPE, classes: 3, activation: 'Relu', bias: true }), runtime);
});
afterAll(() => runtime.close());

const furthest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a, (value, i) => Math.abs(value - b[i]!)).reduce((largest, value) => Math.max(largest, value), 0);

it('is the Shapley value on a linear network: w · (x − mean of the background)', async () => {
  const weights = [0, 1, 2].map((k) => Array.from({ length: 12 }, (_, i) => Math.sin(3 * k + i)));
  const affine = new Classifier(affineModel(SHAPE, weights, [0.1, 0.2, 0.3]), runtime);
  const { attributions } = await attribute(affine, { images, method: deepShap({ background }), target: 2 });
  const mean = (i: number) =>
    Array.from({ length: 7 }, (_, m) => background.data[m * 12 + i]! / 7).reduce((a, b) => a + b);
  const expected = Array.from(images.data, (x, i) => weights[2]![i % 12]! * (x - mean(i % 12)));
  expect(furthest(attributions.data, expected)).toBeLessThan(2e-6);
});

it('is the mean of DeepLIFT over the background, for any batch size', async () => {
  const single: Float32Array[] = [];
  for (let m = 0; m < 7; m++) {
    const method = deepLift({ baseline: rows(background, m, m + 1) });
    single.push((await attribute(network, { images, method, target: 1 })).attributions.data);
  }
  const mean = images.data.map((_, i) => single.reduce((sum, data) => sum + data[i]! / 7, 0));
  const squaredError = mean.map((value, i) => single.reduce((sum, data) => sum + (data[i]! - value) ** 2, 0) / 7 / 6);
  for (const batchSize of [1, 4, 50]) {
    const found = await attribute(network, { images, method: deepShap({ background }), target: 1, batchSize });
    expect(furthest(found.attributions.data, mean)).toBeLessThan(2e-6);
    expect(found.cost.backwards).toBe(21);
    for (let n = 0; n < 3; n++) {
      const own = [mean, squaredError].map((values) => values.subarray(n * 12, n * 12 + 12)) as [
        Float32Array,
        Float32Array,
      ];
      const error =
        Math.sqrt(own[1].reduce((a, b) => a + b) / 12) / own[0].reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      expect(found.certificate!.standardError![n]).toBeCloseTo(error, 5);
    }
  }
});

it('adds up to the output minus the mean output of the background', async () => {
  const { certificate, baseOutput, output } = await attribute(network, {
    images,
    method: deepShap({ background, rule: 'reveal-cancel' }),
    target: [0, 1, 2],
  });
  const logits = await predictLogits(network, background);
  for (let n = 0; n < 3; n++) {
    const mean = Array.from({ length: 7 }, (_, m) => logits.data[m * 3 + n]! / 7).reduce((a, b) => a + b);
    expect(baseOutput![n]).toBeCloseTo(mean, 5);
    expect(certificate!.completeness![n]!.difference).toBeCloseTo(output[n]! - mean, 5);
    expect(certificate!.completeness![n]!.relativeError).toBeLessThan(1e-4);
  }
});

it('explains the elements of a layer, and has no standard error for one image of background', async () => {
  const model = modelOf([3], 1, (g, x) => {
    const layer = g.rename(g.scale(g.relu(x), 2), 'layer');
    return g.rename(g.reduceSum(layer, [1], true), 'logits');
  });
  const classifier = new Classifier(model, runtime);
  const x = { shape: [1, 3], data: Float32Array.of(1, -1, 3) };
  const one = { shape: [1, 3], data: Float32Array.of(0.5, 0, 0) };
  const options = { images: x, layer: 'layer', target: 0 };
  const { attributions, certificate } = await attribute(classifier, {
    ...options,
    method: deepShap({ background: one }),
  });
  expect([...attributions.data]).toEqual([1, 0, 6]);
  expect(certificate!.standardError).toBeUndefined();
  const shown = await attribute(classifier, { ...options, method: activation() });
  expect([...shown.attributions.data]).toEqual([2, 0, 6]);
});

it('refuses a background that does not fit, and an activation of nothing', async () => {
  for (const [method, message] of [
    [
      deepShap({ background: noiseImages(0, SHAPE) }),
      /^the background has no images: DeepSHAP compares with at least one$/,
    ],
    [deepShap({ background: noiseImages(2, [3]) }), /^images of shape \[2, 3\] do not fit 'small'/],
    [activation(), /^activation shows the values of a layer: name one with `layer`$/],
  ] as const) {
    const refusal = await attribute(network, { images, method, target: 0 }).catch((error) => error);
    expect(refusal).toBeInstanceOf(UsageError);
    expect(refusal.message).toMatch(message);
  }
});
