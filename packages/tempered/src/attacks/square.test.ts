import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import { affineModel, networkModel, noiseImages } from '../models/testing/small-models.ts';
import type { Norm } from '../optimize/ball.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { takeRows } from '../tensor.ts';
import { perturb } from './attack.ts';
import { square } from './square.ts';
import { twoPeaks, windowSide } from './square-windows.ts';

const SHAPE = [2, 7, 6];
const NORMS: readonly Norm[] = ['linf', 'l2', 'l1'];
const EPSILON: Readonly<Record<Norm, number>> = { linf: 0.1, l2: 0.5, l1: 2 };

let runtime: Runtime;
let network: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  network = new Classifier(networkModel({ inputShape: SHAPE, classes: 4, activation: 'Relu', bias: true }), runtime);
});
afterAll(() => runtime.close());

const images = noiseImages(12, SHAPE);
const first = { schedule: 10_000, share: 0.8 };

it.each([
  [28, [25, 18, 13, 9, 6, 4, 3, 2]],
  [32, [29, 20, 14, 10, 7, 5, 4, 3]],
  [224, [200, 142, 100, 71, 50, 35, 25, 18]],
])('windows of %i pixels shrink as published', (size, sides) => {
  const steps = [10, 50, 200, 500, 1000, 2000, 4000, 6000];
  expect(steps.map((step) => windowSide('linf', step, first, [3, size, size]))).toEqual(sides);
  expect(windowSide('linf', 11, first, [3, size, size])).toBe(sides[1]);
  const halved = { schedule: 5000, share: 0.8 };
  expect(steps.map((step) => windowSide('linf', step / 2, halved, [3, size, size]))).toEqual(sides);
  for (const step of steps) expect(windowSide('l2', step, first, [1, size, size]) % 2).toBe(1);
});

it('η is two halves of opposite sign, of length 1, largest at their centres', () => {
  // Σ 1/(j+1)² over rings, n = 2: centre 1 + 1/4 + 1/9, ring 1: 1/4 + 1/9, ring 2: 1/9 (Andriushchenko et al., §3.4).
  const [centre, ring1, ring2] = [1 + 1 / 4 + 1 / 9, 1 / 4 + 1 / 9, 1 / 9];
  const upper = [ring2, ring1, ring1, ring1, ring2, ring2, ring1, centre, ring1, ring2];
  const lower = [
    ring2,
    ring1,
    ring1,
    ring1,
    ring2,
    ring2,
    ring1,
    centre,
    ring1,
    ring2,
    ring2,
    ring1,
    ring1,
    ring1,
    ring2,
  ];
  const [a, b] = [upper, lower].map((half) => Math.hypot(...half)) as [number, number];
  const expected = [...upper.map((v) => v / a), ...lower.map((v) => -v / b)].map((v) => v / Math.SQRT2);
  const found = twoPeaks('l2', 5);
  expect(Math.max(...found.map((v, i) => Math.abs(v - expected[i]!)))).toBeLessThan(1e-6);
  expect(twoPeaks('l1', 9).reduce((sum, v) => sum + Math.abs(v), 0)).toBeCloseTo(1, 6);
});

describe.each(NORMS)('in %s', (norm) => {
  const attack = square({ norm, queries: 120 });
  const epsilon = EPSILON[norm];

  it('stays inside ball and box, counts its queries, and gives each image what it would get alone', async () => {
    const labels = Int32Array.from(await predict(network, images));
    const together = await perturb(network, attack, { images, labels, epsilon, seed: 3 });
    expect(together.adversarial.data.every((v) => v >= 0 && v <= 1)).toBe(true);
    expect(Math.max(...together.distance)).toBeLessThanOrEqual(epsilon * (1 + 1e-6) + 1e-7);
    expect([...together.predictions]).toEqual([...(await predict(network, together.adversarial))]);
    const broken = together.success.reduce((a, b) => a + b, 0);
    expect(broken).toBeGreaterThan(0);
    expect(together.forwards).toBeLessThanOrEqual(12 * 120 - broken);
    expect(together.forwards).toBeGreaterThanOrEqual((12 - broken) * 120 + broken);
    expect(together.gradients).toBe(0);
    const order = [7, 2, 11];
    const some = await perturb(network, attack, {
      images: takeRows(images, order),
      labels: order.map((i) => labels[i]!),
      imageNumbers: order,
      epsilon,
      seed: 3,
      batchSize: 2,
    });
    expect([...some.success]).toEqual(order.map((i) => together.success[i]));
    for (const [k, i] of order.entries()) {
      const [a, b] = [takeRows(some.adversarial, [k]).data, takeRows(together.adversarial, [i]).data];
      expect(Math.max(...a.map((v, p) => Math.abs(v - b[p]!)))).toBeLessThan(1e-5);
    }
  });

  it('reaches targets', async () => {
    const labels = Int32Array.from(await predict(network, images));
    const targets = labels.map((k) => (k + 1) % 4);
    const options = { images, labels, targets, epsilon: 20 * epsilon };
    const { success, predictions } = await perturb(network, attack, options);
    expect([...success]).toEqual(Array.from(predictions, (k, i) => Number(k === targets[i])));
    expect(success.reduce((a, b) => a + b, 0)).toBeGreaterThan(6);
  });
});

it('comes to within a few percent of the largest margin that a corner of the linf ball has on an affine model', async () => {
  // Of two classes with the rows ±w, the margin rises by 2 ε Σ|w| at most, and no faster.
  const shape = [1, 6, 6];
  const w = Array.from(noiseImages(1, shape, 5).data, (v) => v - 0.5);
  const sum = w.reduce((total, v) => total + Math.abs(v), 0);
  const grey = { shape: [1, ...shape], data: new Float32Array(36).fill(0.5) };
  const reached = async (share: number) => {
    const bias = 0.1 * sum * share;
    const model = affineModel(shape, [w, w.map((v) => -v)], [bias - dot(w, grey.data), dot(w, grey.data) - bias]);
    const attack = square({ queries: 2000 });
    const { success } = await perturb(new Classifier(model, runtime), attack, {
      images: grey,
      labels: [0],
      epsilon: 0.1,
    });
    return success[0];
  };
  expect(await reached(0.95)).toBe(1);
  expect(await reached(1.01)).toBe(0);
});

const dot = (a: readonly number[], b: Float32Array): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
