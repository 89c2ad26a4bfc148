import { afterAll, beforeAll, expect, it } from 'vitest';
import { pgd } from '../../attacks/pgd.ts';
import { attribute } from '../../attribution/attribute.ts';
import { gradientTimesInput, plainGradient } from '../../attribution/gradient.ts';
import { smoothGrad } from '../../attribution/smoothgrad.ts';
import { fromArrays } from '../../data/dataset.ts';
import { Classifier } from '../../models/classifier.ts';
import { affineModel, networkModel, noiseImages } from '../../models/testing/small-models.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { estimateMean } from '../../statistics.ts';
import type { Tensor } from '../../tensor.ts';
import { attackStability, attackStabilityKind, stabilityUnderAttack } from './attack-stability.ts';
import { SIMILARITIES } from './map-similarity.ts';

const SHAPE = [1, 6, 6] as const;
const CLASSES = ['class 0', 'class 1', 'class 2'];
const COUNT = 20;
const dataset = fromArrays({
  name: 'noise',
  split: 'test',
  classes: CLASSES,
  imageShape: SHAPE,
  pixels: noiseImages(COUNT, SHAPE).data,
  labels: Array.from({ length: COUNT }, (_, i) => i % 3),
});
const attack = pgd({ steps: 3 });

let runtime: Runtime;
let linear: Classifier;
let network: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  const weights = CLASSES.map((_, k) => Array.from({ length: 36 }, (_, i) => Math.sin(40 * k + i)));
  linear = new Classifier(affineModel(SHAPE, weights), runtime);
  network = new Classifier(networkModel({ inputShape: SHAPE, classes: 3, activation: 'Relu', bias: true }), runtime);
});
afterAll(() => runtime.close());

it('the gradient of a linear classifier stays, its product with the image does not', async () => {
  const methods = { gradient: plainGradient(), product: gradientTimesInput() };
  const [gradient, product] = await attackStability(linear, { dataset, attack, epsilons: [0.2], methods });
  expect(gradient).toMatchObject({ method: 'gradient', epsilon: 0.2, count: COUNT });
  for (const value of Object.values(gradient!.similarity)) expect(value!.mean).toBeCloseTo(1, 6);
  for (const value of Object.values(product!.similarity)) expect(value!.mean).toBeLessThan(0.995);
});

it('at ε 0 nothing changes, even of a method that is random; a larger ε changes more', async () => {
  const options = { dataset, attack, methods: { smooth: smoothGrad({ samples: 3 }) } };
  const found = await attackStability(network, { ...options, epsilons: [0, 0.02, 0.3] });
  expect(found[0]!.kept).toBe(COUNT);
  for (const value of Object.values(found[0]!.similarity)) expect(value!.mean).toBeCloseTo(1, 6);
  expect(found[1]!.similarity.kendallTau!.mean).toBeGreaterThan(found[2]!.similarity.kendallTau!.mean);
  expect(found[2]!.kept).toBeLessThan(COUNT);
  const cut = await attackStability(network, { ...options, epsilons: [0.3], batchSize: 1 });
  expect(cut[0]!.kept).toBe(found[2]!.kept);
  expect(cut[0]!.similarity.spearman!.mean).toBeCloseTo(found[2]!.similarity.spearman!.mean, 2);
});

it('counts images whose prediction was kept by themselves', async () => {
  const methods = { gradient: plainGradient() };
  const [found] = await attackStability(network, { dataset, attack, epsilons: [0.05], methods });
  expect(found!.kept).toBeGreaterThan(0);
  expect(found!.kept).toBeLessThan(COUNT);
  expect(found!.similarityWherePredictionKept.ssim!.mean).not.toBe(found!.similarity.ssim!.mean);
});

it('reports progress and stops when asked', async () => {
  const methods = { gradient: plainGradient() };
  const told: number[] = [];
  await attackStability(linear, { dataset, attack, epsilons: [0, 0.1], methods, onProgress: (p) => told.push(p.done) });
  expect(told).toEqual(told.toSorted((a, b) => a - b));
  expect(told.at(-1)).toBe(2 * COUNT);
  const options = { dataset, attack, epsilons: [0.1], methods, signal: AbortSignal.abort() };
  await expect(attackStability(linear, options)).rejects.toThrow(/abort/i);
  await expect(attackStability(linear, { dataset, attack, epsilons: [0], methods: {} })).rejects.toThrow(/a method/);
});

it('as a measure: 1 without an attack, for each image the similarity to the attacked map', async () => {
  const { images, labels } = dataset.batch(Uint32Array.from({ length: COUNT }, (_, i) => i));
  const explain = async (given: Tensor) =>
    (await attribute(network, { images: given, method: plainGradient(), target: labels })).attributions;
  const task = {
    ...{ classifier: network, images, targets: labels, seed: 0, imageNumbers: [...labels.keys()], batchSize: 10 },
    ...({ ranking: 'magnitude', scale: 'local' } as const),
    attributions: await explain(images),
    explain,
  };
  for (const by of SIMILARITIES) {
    const still = await attackStabilityKind.score(task, stabilityUnderAttack({ epsilon: 0, by }));
    for (const score of still) expect(score).toBeCloseTo(1, 6);
  }
  const moved = await attackStabilityKind.score(task, stabilityUnderAttack({ epsilon: 0.05, steps: 3 }));
  const [found] = await attackStability(network, {
    ...{ dataset, attack, epsilons: [0.05], methods: { gradient: plainGradient() }, batchSize: 10 },
  });
  expect(estimateMean(moved).mean).toBeCloseTo(found!.similarity.spearman!.mean, 4);
  expect(() => stabilityUnderAttack({ epsilon: -1 })).toThrow(/ε|epsilon/);
});
