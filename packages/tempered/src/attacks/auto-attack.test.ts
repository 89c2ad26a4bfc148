import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import { networkModel, noiseImages } from '../models/testing/small-models.ts';
import type { Norm } from '../optimize/ball.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { takeRows } from '../tensor.ts';
import { perturb } from './attack.ts';
import { autoAttack, autoAttackStages } from './auto-attack.ts';
import { autoPgd } from './auto-pgd.ts';
import { attackInStages, type StagesState } from './in-stages.ts';
import { pgd } from './pgd.ts';

const SHAPE = [1, 5, 4];
const images = noiseImages(12, SHAPE);
const EPSILON: Readonly<Record<Norm, number>> = { linf: 0.05, l2: 0.2, l1: 0.6 };
/** Small budgets: what is tested here is how the parts are put together. */
const small = { steps: 8, queries: 20, restarts: 2 };

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const network = (classes: number) =>
  new Classifier(networkModel({ inputShape: SHAPE, classes, activation: 'Relu', bias: true }), runtime);

describe('the stages', () => {
  it('are the published four with the published budgets', () => {
    const { stages, differences } = autoAttackStages(autoAttack(), 10);
    expect(differences).toEqual([]);
    expect(stages).toMatchObject([
      { name: 'APGD-CE', attack: { name: 'auto-pgd', loss: 'cross-entropy', steps: 100, norm: 'linf' } },
      { name: 'APGD-T', attack: { name: 'auto-pgd', loss: 'targeted-dlr', steps: 100, targets: 9 } },
      { name: 'FAB-T', attack: { name: 'fab', steps: 100, targets: 9, restarts: 1 } },
      { name: 'Square', attack: { name: 'square', queries: 5000, share: 0.8, schedule: 10_000 } },
    ]);
    const l1 = autoAttackStages(autoAttack({ norm: 'l1' }), 10).stages;
    expect(l1).toMatchObject([
      { attack: { name: 'restarts', restarts: 5, attack: { norm: 'l1' } } },
      { attack: { targets: 5, norm: 'l1' } },
      { attack: { targets: 9, norm: 'l1' } },
      { attack: { norm: 'l1' } },
    ]);
    expect(JSON.parse(JSON.stringify(autoAttack()))).toEqual(autoAttack());
  });

  it.each([
    [4, 'APGD-T', 3, ['4 classes leave 3 to aim at']],
    [3, 'APGD-DLR', 2, [expect.stringMatching(/untargeted DLR/), '3 classes leave 2 to aim at']],
    [2, 'APGD-margin', 1, [expect.stringMatching(/margin/), '2 classes leave 1 to aim at']],
  ])('for %i classes say how they differ', (classes, second, fabTargets, expected) => {
    const { stages, differences } = autoAttackStages(autoAttack(), classes);
    expect(stages[1]!.name).toBe(second);
    expect(stages[2]!.attack).toMatchObject({ targets: fabTargets });
    expect(differences).toEqual(expected);
  });

  it('say what a caller changed', () =>
    expect(autoAttackStages(autoAttack({ steps: 20, before: [pgd()] }), 10).differences).toEqual([
      'pgd runs before the published attacks',
      'steps is 20, published 100',
    ]));
});

describe.each<[Norm, number]>([
  ['linf', 2],
  ['linf', 3],
  ['linf', 5],
  ['l2', 5],
  ['l1', 5],
])('in %s with %i classes', (norm, classes) => {
  it('breaks what each of its attacks breaks, in ball and box, whatever shares the batch', async () => {
    const classifier = network(classes);
    const labels = await predict(classifier, images);
    const options = { images, labels, epsilon: EPSILON[norm], seed: 6 };
    const attack = autoAttack({ norm, ...small });
    const together = await perturb(classifier, attack, options);
    expect(Math.max(...together.distance)).toBeLessThanOrEqual(EPSILON[norm] * (1 + 1e-6) + 1e-7);
    expect(together.adversarial.data.every((v) => v >= 0 && v <= 1)).toBe(true);
    const anyOf = new Uint8Array(12);
    for (const stage of autoAttackStages(attack, classes).stages) {
      const { success } = await perturb(classifier, stage.attack, options);
      for (const [i, broken] of success.entries()) anyOf[i]! |= broken;
    }
    expect([...together.success]).toEqual([...anyOf]);
    const broken = anyOf.reduce((a, b) => a + b, 0);
    expect(broken).toBeGreaterThan(0);

    const order = [10, 4, 7];
    const some = await perturb(classifier, attack, {
      ...options,
      images: takeRows(images, order),
      labels: order.map((i) => labels[i]!),
      imageNumbers: order,
      batchSize: 2,
    });
    expect([...some.success]).toEqual(order.map((i) => together.success[i]));
  });
});

it('reaches targets with the same stages', async () => {
  const classifier = network(5);
  const labels = await predict(classifier, images);
  const targets = labels.map((k) => (k + 1) % 5);
  const options = { images, labels, targets, epsilon: 0.6 };
  const { success, predictions } = await perturb(classifier, autoAttack(small), options);
  expect([...success]).toEqual(Array.from(predictions, (k, i) => Number(k === targets[i])));
  const { success: alone } = await perturb(classifier, autoPgd({ steps: 10 }), options);
  for (const [i, broken] of alone.entries()) expect(success[i]).toBeGreaterThanOrEqual(broken);
});

it('in stages, stopped and resumed, breaks what it breaks in one go', async () => {
  const classifier = network(5);
  const labels = await predict(classifier, images);
  const { stages } = autoAttackStages(autoAttack(small), 5);
  const options = { images, labels, epsilon: 0.05, block: 5 };
  let stored = '';
  const stop = new AbortController();
  const stopped = attackInStages(classifier, stages, {
    ...options,
    signal: stop.signal,
    onStage: (state) => {
      stored = JSON.stringify(state);
      if (state.stage === 2) stop.abort(new Error('stopped'));
    },
  });
  await expect(stopped).rejects.toThrow('stopped');
  const { brokenBy } = await attackInStages(classifier, stages, {
    ...options,
    state: JSON.parse(stored) as StagesState,
  });
  const { success } = await perturb(classifier, autoAttack(small), { images, labels, epsilon: 0.05 });
  expect(Array.from(brokenBy, (by) => Number(by < stages.length))).toEqual([...success]);
});
