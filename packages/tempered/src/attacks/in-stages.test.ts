import { afterAll, beforeAll, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { Classifier } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import { repaired } from '../models/repair.ts';
import { networkModel, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows } from '../tensor.ts';
import { perturb } from './attack.ts';
import { fgsm } from './fgsm.ts';
import { attackInStages, type StagesState } from './in-stages.ts';
import { pgd } from './pgd.ts';
import { square } from './square.ts';
import { worstCase } from './worst-case.ts';

const SHAPE = [1, 3, 4];
const images = noiseImages(15, SHAPE);
const stages = [
  { name: 'FGSM', attack: fgsm() },
  { name: 'PGD', attack: pgd({ steps: 4 }) },
  { name: 'Square', attack: square({ queries: 30 }) },
];

let runtime: Runtime;
let network: Classifier;
let labels: Int32Array;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  network = new Classifier(networkModel({ inputShape: SHAPE, classes: 5, activation: 'Relu', bias: true }), runtime);
  // The first two are wrong from the start.
  labels = (await predict(network, images)).map((k, i) => (i < 2 ? (k + 1) % 5 : k));
});
afterAll(() => runtime.close());

it('gives what the worst case gives, and says which stage broke each image', async () => {
  const options = { images, labels, epsilon: 0.07, seed: 4 };
  const staged = await attackInStages(network, stages, { ...options, block: 4 });
  const { success, adversarial } = await perturb(network, worstCase(stages.map(({ attack }) => attack)), options);
  for (const i of labels.keys()) {
    expect(staged.brokenBy[i]! < 3).toBe(i < 2 || success[i] === 1);
    if (i < 2) expect([...rows(staged.adversarial, i, i + 1).data]).toEqual([...rows(images, i, i + 1).data]);
    else if (success[i] === 1)
      for (const [p, v] of rows(staged.adversarial, i, i + 1).data.entries())
        expect(Math.abs(v - rows(adversarial, i, i + 1).data[p]!)).toBeLessThan(1e-5);
  }
  expect(new Set(staged.brokenBy).size).toBeGreaterThan(2);
  for (const [stage, { name, standing, forwards }] of staged.stages.entries()) {
    expect(name).toBe(stages[stage]!.name);
    expect(standing).toBe(staged.brokenBy.filter((by) => by > stage).length);
    expect(forwards).toBeGreaterThan(0);
  }
});

it('stopped after any block and continued from the stored state gives the same, to the bit', async () => {
  const options = { images, labels, epsilon: Array.from(labels, (_, i) => 0.05 + 0.002 * i), block: 5 };
  const states: string[] = [];
  const whole = await attackInStages(network, stages, {
    ...options,
    onStage: (state) => void states.push(JSON.stringify(state)),
  });
  expect(states.length).toBeGreaterThan(4);
  for (const stored of states) {
    const resumed = await attackInStages(network, stages, { ...options, state: JSON.parse(stored) as StagesState });
    expect(resumed).toEqual(whole);
  }
});

it('is done at once where nothing is right', async () => {
  const wrong = (await predict(network, images)).map((k) => (k + 1) % 5);
  const { brokenBy, stages: reports } = await attackInStages(network, stages, { images, labels: wrong, epsilon: 0.1 });
  expect([...brokenBy]).toEqual(Array.from(wrong, () => -1));
  expect(reports.every(({ forwards, standing }) => forwards === 0 && standing === 0)).toBe(true);
});

it('does not continue another evaluation', async () => {
  const options = { images, labels, epsilon: 0.07 };
  const { state } = await attackInStages(network, stages, options);
  const others = [
    { epsilon: 0.08 },
    { seed: 1 },
    { images: { ...images, data: images.data.map((v) => v / 2) } },
    { labels: labels.map((k) => (k + 1) % 5) },
  ];
  for (const other of others) {
    const refusal = await attackInStages(network, stages, { ...options, ...other, state }).catch((error) => error);
    expect(refusal).toBeInstanceOf(UsageError);
    expect(refusal.message).toContain('belongs to another evaluation');
  }
});

it('does not continue with another model of the same name, nor with another surrogate', async () => {
  const options = { images, labels, epsilon: 0.07 };
  const { description } = network;
  const initializers = new Map(description.graph.initializers);
  const [name, tensor] = [...initializers][0]!;
  const data = Float32Array.from(tensor.data as ArrayLike<number>, (w, i) => (i === 0 ? w + 1e-6 : w));
  initializers.set(name, { dtype: 'float32', shape: tensor.shape, data });
  const trainedOn = new Classifier({ ...description, graph: { ...description.graph, initializers } }, runtime);
  const softened = new Classifier(repaired(description, { scale: 0.5 }), runtime);
  const { state } = await attackInStages(network, stages, options);
  const message = 'the state belongs to another evaluation: its model, images, attacks, radii or seed differ';
  await expect(attackInStages(trainedOn, stages, { ...options, state })).rejects.toThrow(new UsageError(message));
  const { state: transferred } = await attackInStages(network, stages, { ...options, surrogate: trainedOn });
  for (const surrogate of [undefined, network, softened])
    await expect(attackInStages(network, stages, { ...options, surrogate, state: transferred })).rejects.toThrow(
      new UsageError(message),
    );
  const same = new Classifier(description, runtime);
  await expect(attackInStages(same, stages, { ...options, state })).resolves.toBeDefined();
});
