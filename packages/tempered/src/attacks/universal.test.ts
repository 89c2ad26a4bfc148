import { afterAll, beforeAll, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { Classifier } from '../models/classifier.ts';
import { affineModel, networkModel, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows } from '../tensor.ts';
import { foolingRate, universalPerturbation } from './universal.ts';

const SHAPE = [1, 6, 6];
const all = noiseImages(120, SHAPE);
const [seen, heldOut] = [rows(all, 0, 60), rows(all, 60, 120)];

let runtime: Runtime;
let network: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  network = new Classifier(networkModel({ inputShape: SHAPE, classes: 4, activation: 'Relu', bias: true }), runtime);
});
afterAll(() => runtime.close());

it.each([
  ['gradient', 'linf', 0.2],
  ['gradient', 'l2', 1.2],
  ['deep-fool', 'linf', 0.2],
  ['deep-fool', 'l2', 1.2],
] as const)(
  'by %s in %s fools images that it has not seen, far more than noise of its size',
  async (method, norm, epsilon) => {
    const options = { images: seen, norm, epsilon, method, epochs: method === 'gradient' ? 15 : 3, seed: 2 };
    const { delta, foolingRate: rate } = await universalPerturbation(network, options);
    const length = norm === 'linf' ? Math.max(...delta.data.map(Math.abs)) : Math.hypot(...delta.data);
    expect(length).toBeLessThanOrEqual(epsilon * (1 + 1e-6));
    expect(await foolingRate(network, seen, delta)).toBe(rate);
    const noise = noiseImages(1, SHAPE, 9).data.map((v) => Math.sign(v - 0.5));
    const shrink = norm === 'linf' ? epsilon : epsilon / 6;
    const random = { shape: SHAPE, data: noise.map((v) => v * shrink) };
    const [found, baseline] = [await foolingRate(network, heldOut, delta), await foolingRate(network, heldOut, random)];
    expect(found).toBeGreaterThan(baseline + 0.2);
    expect(await universalPerturbation(network, { ...options, batchSize: method === 'gradient' ? 50 : 7 })).toEqual({
      delta,
      foolingRate: rate,
      epochs: expect.any(Number),
    });
  },
);

it('for an affine classifier goes to the corner of the ball where the margin falls most', async () => {
  const w = Array.from(noiseImages(1, SHAPE, 5).data, (v) => v - 0.5);
  const [epsilon, reach] = [0.4, 0.4 * w.reduce((sum, v) => sum + Math.abs(v), 0)];
  // At x = 0.5 the margin is twice 0.97 of what the corner takes off.
  const bias = 0.97 * reach - w.reduce((sum, v) => sum + v / 2, 0);
  const classifier = new Classifier(affineModel(SHAPE, [w, w.map((v) => -v)], [bias, -bias]), runtime);
  const images = { shape: [8, ...SHAPE], data: noiseImages(8, SHAPE).data.map((v) => 0.5 + 0.001 * (v - 0.5)) };
  const { delta, foolingRate: rate } = await universalPerturbation(classifier, { images, epsilon, epochs: 40 });
  expect(rate).toBe(1);
  expect(w.reduce((sum, v, i) => sum + v * delta.data[i]!, 0)).toBeLessThan(-0.96 * reach);
});

it.each([
  ['ε below 0', { epsilon: -1 }],
  ['no images', { images: rows(seen, 0, 0) }],
  ['no epochs', { epochs: -1 }],
  ['a goal that is no share', { goal: 5 }],
  ['a step back', { stepSize: -1 }],
  ['pixels outside [0, 1]', { images: { ...seen, data: seen.data.map((v) => v + 1) } }],
])('refuses %s', async (_, over) => {
  const refusal = await universalPerturbation(network, { images: seen, epsilon: 0.1, ...over }).catch((error) => error);
  expect(refusal).toBeInstanceOf(UsageError);
});
