import { afterAll, beforeAll, expect, it } from 'vitest';
import { topKAttack } from '../attacks/explanations/map-attack.ts';
import { type Dataset, first, fromArrays } from '../data/dataset.ts';
import { createModel } from '../models/architectures/index.ts';
import { Classifier } from '../models/classifier.ts';
import { noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { mapStability } from './map-stability.ts';

const COUNT = 25;
const CLASSES = ['a', 'b', 'c'];

let runtime: Runtime;
let classifier: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  const model = createModel({ architecture: 'gap-small', inputShape: [1, 12, 12], classes: CLASSES, seed: 3 });
  classifier = new Classifier(model, runtime);
});
afterAll(() => runtime.close());

const dataset = fromArrays({
  name: 'noise',
  split: 'test',
  classes: CLASSES,
  imageShape: [1, 12, 12],
  pixels: noiseImages(COUNT, [1, 12, 12]).data,
  labels: Array.from({ length: COUNT }, (_, i) => i % 3),
});
const attack = topKAttack({ map: 'cam', k: 4, steps: 2, stepSize: 0.01 });

it('maps keep their order at ε 0, and lose some of it under attack', async () => {
  const [still, moved] = await mapStability(classifier, { dataset, attack, epsilons: [0, 0.1] });
  expect(still).toMatchObject({ kept: COUNT, kendallTau: { mean: 1, lower: 1, upper: 1 } });
  expect(moved!.kendallTau!.mean).toBeLessThan(1);
});

it('never turns the whole set into floats at once, and is the same however it is cut', async () => {
  let most = 0;
  const watched: Dataset = {
    ...dataset,
    batch: (indices) => {
      most = Math.max(most, indices.length);
      return dataset.batch(indices);
    },
  };
  const options = { attack, epsilons: [0.05] };
  const cut = await mapStability(classifier, { ...options, dataset: watched, batchSize: 1 });
  expect(most).toBeLessThan(COUNT);
  const [whole] = await mapStability(classifier, { ...options, dataset });
  expect(cut[0]!.kept).toBe(whole!.kept);
  expect(cut[0]!.kendallTau!.mean).toBeCloseTo(whole!.kendallTau!.mean, 2);
});

it('one image gives a mean and no interval', async () => {
  const [only] = await mapStability(classifier, { dataset: first(dataset, 1), attack, epsilons: [0] });
  expect(only!.kendallTau).toEqual({ mean: 1 });
});
