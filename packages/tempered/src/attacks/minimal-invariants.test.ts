/** @file What holds for every attack that looks for the smallest perturbation (invariants I1 to I16 of the test plan). */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { Classifier } from '../models/classifier.ts';
import { predict, predictLogits } from '../models/predict.ts';
import { affineModel, modelOf, networkModel, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows, type Tensor, takeRows } from '../tensor.ts';
import { type Attack, isMinimal, normOf, perturb } from './attack.ts';
import { carliniWagner } from './carlini-wagner.ts';
import { ddn } from './ddn.ts';
import { deepFool } from './deep-fool.ts';
import { fab } from './fab.ts';
import { fmn } from './fmn.ts';
import { minimalEpsilon } from './minimal-epsilon.ts';
import { pgd } from './pgd.ts';

const SHAPE = [1, 2, 3];
const COUNT = 8;
const CLASSES = 4;

let runtime: Runtime;
let network: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  network = new Classifier(
    networkModel({ inputShape: SHAPE, classes: CLASSES, activation: 'Relu', bias: true }),
    runtime,
  );
});
afterAll(() => runtime.close());

const images = noiseImages(COUNT, SHAPE);
const ATTACKS: readonly (readonly [string, Attack])[] = [
  ['DeepFool l2', deepFool({ steps: 20 })],
  ['DeepFool linf', deepFool({ norm: 'linf', steps: 20, finalSearch: 4 })],
  ['FAB linf', fab({ steps: 6, restarts: 2 })],
  ['FAB-T l2', fab({ norm: 'l2', steps: 6, targets: 2 })],
  ['FAB l1', fab({ norm: 'l1', steps: 6 })],
  ['FMN linf', fmn({ norm: 'linf', steps: 15 })],
  ['FMN l2', fmn({ steps: 15, finalSearch: 4 })],
  ['FMN l1', fmn({ norm: 'l1', steps: 15 })],
  ['DDN', ddn({ steps: 30 })],
  ['Carlini-Wagner', carliniWagner({ steps: 40, searchSteps: 3, weight: 1, learningRate: [0.1, 0.01] })],
  [
    'ε-search with PGD',
    minimalEpsilon(pgd({ steps: 5, keep: 'worst', loss: 'margin', randomStart: false }), { tolerance: 0.1 }),
  ],
];
const classOf = async (classifier: Classifier, x: Tensor) => predict(classifier, x, { batchSize: 16 });
const some = (flags: Uint8Array) => flags.reduce((a, b) => a + b, 0);

describe.each(ATTACKS)('%s', (_, attack) => {
  it('breaks what is right, inside the box, leaves the rest and its input alone, and says what happened', async () => {
    const labels = await classOf(network, images);
    // Every third image is misclassified from the start.
    for (let i = 0; i < COUNT; i += 3) labels[i] = (labels[i]! + 1) % CLASSES;
    const before = images.data.slice();
    const [inside, whole] = await perturb(network, attack, { images, labels, epsilons: [0.1, 10] });
    expect(images.data).toEqual(before);
    expect(some(whole!.success)).toBe(COUNT);
    expect(some(inside!.success)).toBeLessThanOrEqual(some(whole!.success));
    for (const found of [inside!, whole!]) {
      expect(found.adversarial.data.every((value) => value >= 0 && value <= 1)).toBe(true);
      const predictions = await classOf(network, found.adversarial);
      expect([...found.success]).toEqual(Array.from(predictions, (k, i) => Number(k !== labels[i])));
    }
    expect(Math.max(...inside!.distance)).toBeLessThanOrEqual(0.1);
    for (let i = 0; i < COUNT; i++) {
      const same = i % 3 === 0;
      expect(whole!.distance[i] === 0).toBe(same);
      if (same) expect(rows(whole!.adversarial, i, i + 1).data).toEqual(rows(images, i, i + 1).data);
    }
    expect(whole!.forwards).toBeGreaterThan(COUNT);
    expect(whole!.gradients).toBeGreaterThan(0);
  });

  it('does not depend on the batch, on the order of the images, or on chance', async () => {
    const labels = await classOf(network, images);
    const at = { images, labels, seed: 5 };
    const all = await perturb(network, attack, { ...at, batchSize: 16 });
    expect(await perturb(network, attack, { ...at, batchSize: 16 })).toEqual(all);
    const order = Uint32Array.from({ length: COUNT }, (_, i) => COUNT - 1 - i);
    const reversed = await perturb(network, attack, {
      images: takeRows(images, order),
      labels: order.map((i) => labels[i]!),
      imageNumbers: order,
      seed: 5,
      batchSize: 3,
    });
    for (const [k, i] of order.entries()) {
      expect(reversed.success[k]).toBe(all.success[i]);
      expect(reversed.distance[k]!).toBeCloseTo(all.distance[i]!, 3);
    }
  });

  it('reaches targets where it says so, and not by passing through other classes', async () => {
    const { data } = await predictLogits(network, images);
    const ranked = Array.from({ length: COUNT }, (_, i) =>
      [0, 1, 2, 3].sort((a, b) => data[i * CLASSES + b]! - data[i * CLASSES + a]!),
    );
    const [labels, targets] = [0, 1].map((rank) => ranked.map((classes) => classes[rank]!)) as [number[], number[]];
    const found = await perturb(network, attack, { images, labels, targets });
    const predictions = await classOf(network, found.adversarial);
    expect([...found.success]).toEqual(Array.from(predictions, (k, i) => Number(k === targets[i])));
    expect(some(found.success)).toBeGreaterThan(COUNT / 2);
    // A given class is never nearer than the nearest of all, found by the strongest of these attacks.
    const { distance: least } = await perturb(network, fab({ norm: normOf(attack)!, steps: 40 }), { images, labels });
    for (const [i, reached] of found.success.entries())
      if (reached) expect(found.distance[i]!).toBeGreaterThan(least[i]! * 0.98);
  });

  it('does not see the names of classes, a shift of the logits, or pixels without weight', async () => {
    const weights = [
      [1, -2, 0.5, 0, 1, -1],
      [-1, 1, 0.5, 0, 0, -3],
      [0.5, 0.5, -2, 0, 1, 1],
    ];
    const bias = [0.25, 0, -0.25];
    const order = [2, 0, 1];
    const plain = new Classifier(affineModel(SHAPE, weights, bias), runtime);
    const variants = [
      {
        model: affineModel(
          SHAPE,
          weights,
          bias.map((b) => b + 0.5),
        ),
        name: (k: number) => k,
      },
      {
        model: affineModel(
          SHAPE,
          order.map((k) => weights[k]!),
          order.map((k) => bias[k]!),
        ),
        name: (k: number) => order.indexOf(k),
      },
    ];
    const labels = await classOf(plain, images);
    const found = await perturb(plain, attack, { images, labels });
    for (let i = 0; i < COUNT; i++) expect(found.adversarial.data[i * 6 + 3]).toBe(images.data[i * 6 + 3]);
    for (const { model, name } of variants) {
      const other = await perturb(new Classifier(model, runtime), attack, { images, labels: labels.map(name) });
      expect(other.success).toEqual(found.success);
      for (const [i, distance] of found.distance.entries()) expect(other.distance[i]!).toBeCloseTo(distance, 3);
    }
  });

  it('stays where there is no gradient, and counts that', async () => {
    // A step function: right or wrong, but flat everywhere.
    const flat = new Classifier(
      modelOf(SHAPE, 2, (g, x) => {
        const sum = g.reduceSum(g.reshape(x, [1, 6]), [1], true);
        const high = g.cast(g.greater(sum, g.constant(100)), 'float32');
        const zero = g.scale(g.reduceSum(g.relu(g.neg(g.reshape(x, [1, 6]))), [1], true), 1);
        return g.rename(g.concat([g.sub(zero, high), g.sub(high, g.constant([1], [1, 1]))], 1), 'logits');
      }),
      runtime,
    );
    const found = await perturb(flat, attack, { images: rows(images, 0, 3), labels: [0, 0, 0], batchSize: 1 });
    expect([...found.success]).toEqual([0, 0, 0]);
    expect(found.adversarial.data.every(Number.isFinite)).toBe(true);
    expect(found.zeroGradients).toBe(3);
  });
});

it('scaled logits change nothing for attacks on margins', () =>
  fc.assert(
    fc.asyncProperty(
      fc.constantFrom(2, 1024, 1 / 64),
      fc.constantFrom(...ATTACKS.slice(0, 8).map(([, attack]) => attack)),
      async (scale, attack) => {
        const weights = Array.from({ length: 3 }, (_, k) =>
          Array.from({ length: 6 }, (_, i) => Math.sin(7 * k + 3 * i)),
        );
        const scaled = weights.map((row) => row.map((w) => w * scale));
        const [one, other] = [weights, scaled].map((w) => new Classifier(affineModel(SHAPE, w), runtime));
        const labels = await classOf(one!, images);
        const found = await perturb(one!, attack, { images, labels });
        const again = await perturb(other!, attack, { images, labels });
        expect(again.success).toEqual(found.success);
        for (const [i, distance] of found.distance.entries()) expect(again.distance[i]!).toBeCloseTo(distance, 5);
      },
    ),
    { numRuns: 5 },
  ));

it('the attacks are data, and need no ε', () => {
  for (const [, attack] of ATTACKS) {
    expect(JSON.parse(JSON.stringify(attack))).toEqual(attack);
    expect(isMinimal(attack)).toBe(true);
  }
  expect(() => minimalEpsilon(deepFool())).toThrow(UsageError);
  for (const wrong of [
    () => deepFool({ steps: 0 }),
    () => fab({ steps: 1.5 }),
    () => fmn({ stepSize: [1, 0] }),
    () => ddn({ radius: -1 }),
    () => carliniWagner({ finalSearch: -1 }),
    () => minimalEpsilon(pgd(), { tolerance: 0 }),
  ])
    expect(wrong).toThrow(UsageError);
});
