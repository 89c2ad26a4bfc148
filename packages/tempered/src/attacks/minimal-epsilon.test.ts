import { afterAll, beforeAll, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { affineModel } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { perturb } from './attack.ts';
import { carliniWagner } from './carlini-wagner.ts';
import { fgsm } from './fgsm.ts';
import { minimalEpsilon } from './minimal-epsilon.ts';
import { pgd } from './pgd.ts';

/** Class 1 where x₀ − x₁ > 0. */
const WEIGHTS = [
  [0, 0],
  [1, -1],
];

let runtime: Runtime;
let classifier: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  classifier = new Classifier(affineModel([1, 1, 2], WEIGHTS), runtime);
});
afterAll(() => runtime.close());

const images = { shape: [4, 1, 1, 2], data: Float32Array.of(0.2, 0.3, 0.1, 0.9, 0.4, 0.8, 0.6, 0.5) };

it('finds the radius at which a single step begins to succeed, each image its own, and leaves wrong ones alone', async () => {
  const attack = minimalEpsilon(fgsm(), { start: 0.03, tolerance: 0.01 });
  const { distance, success, epsilon } = await perturb(classifier, attack, { images, labels: [0, 0, 0, 0] });
  expect([...success]).toEqual([1, 1, 1, 1]);
  for (const [i, least] of [0.05, 0.4, 0.2].entries()) {
    expect(distance[i]!).toBeGreaterThan(least * 0.9999);
    expect(distance[i]!).toBeLessThanOrEqual(least * 1.011);
  }
  expect(distance[3]).toBe(0);
  expect([...epsilon]).toEqual(new Array(4).fill(Infinity));
});

it('gives up where no radius does, and returns the image as it was', async () => {
  const constant = new Classifier(
    affineModel(
      [1, 1, 2],
      [
        [0, 0],
        [0, 0],
      ],
      [1, 0],
    ),
    runtime,
  );
  const found = await perturb(constant, minimalEpsilon(fgsm()), { images, labels: [0, 0, 0, 0] });
  expect([...found.success]).toEqual([0, 0, 0, 0]);
  expect(found.adversarial.data).toEqual(images.data);
});

it('Carlini and Wagner reach the confidence asked for', async () => {
  const attack = carliniWagner({ confidence: 0.2, steps: 200, weight: 1, searchSteps: 4, learningRate: [0.1, 0.01] });
  const { adversarial, distance } = await perturb(classifier, attack, { images, labels: [0, 0, 0, 0] });
  for (const [i, gap] of [0.1, 0.8, 0.4].entries()) {
    expect(adversarial.data[2 * i]! - adversarial.data[2 * i + 1]!).toBeGreaterThanOrEqual(0.2);
    // The line x₀ − x₁ = 0.2 is (gap + 0.2) / √2 away.
    expect(distance[i]!).toBeLessThan(((gap + 0.2) / Math.SQRT2) * 1.1);
  }
});

it('finds at every radius what FGSM finds, though the random start leads nowhere', async () => {
  const still = pgd({ steps: 1, stepSize: 0, keep: 'worst' });
  const [byFgsm, byPgd] = await Promise.all(
    [fgsm(), still].map((attack) => {
      const search = minimalEpsilon(attack, { start: 0.03, tolerance: 0.01 });
      return perturb(classifier, search, { images, labels: [0, 0, 0, 0] });
    }),
  );
  for (const [i, distance] of byFgsm!.distance.entries())
    expect(byPgd!.distance[i]!).toBeLessThanOrEqual(distance * 1.011);
});

it('with a final search, they keep it', async () => {
  const attack = carliniWagner({ confidence: 0.2, steps: 60, weight: 1, searchSteps: 4, learningRate: [0.1, 0.01] });
  const [plain, searched] = await Promise.all(
    [attack, { ...attack, finalSearch: 10 }].map((each) => perturb(classifier, each, { images, labels: [0, 0, 0, 0] })),
  );
  for (const i of [0, 1, 2]) {
    const { data } = searched!.adversarial;
    expect(data[2 * i]! - data[2 * i + 1]!).toBeGreaterThanOrEqual(0.2);
    expect(searched!.distance[i]!).toBeLessThanOrEqual(plain!.distance[i]!);
  }
});
