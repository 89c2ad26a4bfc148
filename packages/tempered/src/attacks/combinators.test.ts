import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { Classifier } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import { affineModel, modelOf, networkModel, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows } from '../tensor.ts';
import { type Attack, isMinimal, normOf, perturb } from './attack.ts';
import { deepFool } from './deep-fool.ts';
import { fab } from './fab.ts';
import { fgsm } from './fgsm.ts';
import { hopSkipJump } from './hop-skip-jump.ts';
import { noise } from './noise.ts';
import { bim, pgd } from './pgd.ts';
import { restarts } from './restarts.ts';
import { square } from './square.ts';
import { chooseTargets, type TargetChoice, type TargetPolicy, targeted } from './targeted.ts';
import { worstCase } from './worst-case.ts';

const SHAPE = [1, 3, 4];
const COUNT = 16;
const images = noiseImages(COUNT, SHAPE);

let runtime: Runtime;
let network: Classifier;
let labels: Int32Array;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  network = new Classifier(networkModel({ inputShape: SHAPE, classes: 5, activation: 'Relu', bias: true }), runtime);
  labels = await predict(network, images);
});
afterAll(() => runtime.close());

const successOf = async (attack: Attack, epsilon: number, seed = 0) =>
  (await perturb(network, attack, { images, labels, epsilon, seed })).success;

describe('worst case', () => {
  it('breaks exactly the images that one of its attacks breaks, and asks later ones for the rest only', () =>
    fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(
          fc.constantFrom<Attack>(
            fgsm(),
            pgd({ steps: 3 }),
            pgd({ steps: 3, norm: 'l2' }),
            square({ queries: 20 }),
            noise({ draws: 20 }),
            noise({ kind: 'salt-and-pepper', draws: 20 }),
          ),
          { minLength: 1, maxLength: 3 },
        ),
        fc.constantFrom(0.03, 0.06, 0.12),
        async (attacks, epsilon) => {
          const each = await Promise.all(attacks.map((attack) => successOf(attack, epsilon)));
          const together = await perturb(network, worstCase(attacks), { images, labels, epsilon });
          const anyOf = Array.from(labels, (_, i) => Number(each.some((success) => success[i] === 1)));
          expect([...together.success]).toEqual(anyOf);
        },
      ),
      { numRuns: 15 },
    ));

  it('counts the work of an image until it is broken', async () => {
    const first = await perturb(network, fgsm(), { images, labels, epsilon: 0.06 });
    const left = first.success.filter((broken) => broken === 0).length;
    const both = await perturb(network, worstCase([fgsm(), pgd({ steps: 3 })]), { images, labels, epsilon: 0.06 });
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(COUNT);
    expect(both.gradients).toBe(first.gradients + 3 * left);
  });

  it('of smallest perturbations keeps the shortest for each image', async () => {
    const attacks = [1, 2].map((iterations) => hopSkipJump({ iterations, samples: 10 * iterations }));
    const each = await Promise.all(attacks.map((attack) => perturb(network, attack, { images, labels, seed: 2 })));
    const shortest = Array.from(labels, (_, i) => Math.min(...each.map(({ distance }) => distance[i]!)));
    const together = await perturb(network, worstCase(attacks), { images, labels, seed: 2 });
    expect([...together.distance]).toEqual(shortest);
    expect(isMinimal(worstCase(attacks))).toBe(true);
    expect(isMinimal(worstCase([attacks[0]!, fgsm()]))).toBe(false);
  });

  it('says which attacks do not go together', async () => {
    expect(() => worstCase([])).toThrow('worstCase needs at least one attack');
    expect(() => worstCase([hopSkipJump({ norm: 'l2' }), hopSkipJump({ norm: 'linf' })])).toThrow(UsageError);
    expect(normOf(worstCase([fgsm(), pgd({ norm: 'l2' })]))).toBeUndefined();
    expect(normOf(worstCase([fgsm(), restarts(pgd(), 2)]))).toBe('linf');
  });
});

describe('restarts', () => {
  it('of a smallest perturbation keep the shortest, and are never longer with one more', async () => {
    const attack = hopSkipJump({ iterations: 1, samples: 10 });
    const [one, two, three] = await Promise.all(
      [1, 2, 3].map(async (runs) => (await perturb(network, restarts(attack, runs), { images, labels })).distance),
    );
    for (const i of labels.keys()) {
      expect(two![i]).toBeLessThanOrEqual(one![i]!);
      expect(three![i]).toBeLessThanOrEqual(two![i]!);
    }
    expect([...three!]).not.toEqual([...one!]);
  });

  it('of FAB start from the image once, and from random points after that', async () => {
    // Flat below ½: from 0.45 no gradient leads on, from random points beyond ½ one does.
    const hinge = modelOf([1, 1, 1], 2, (g, x) => {
      const rise = g.relu(g.offset(g.op('Flatten', [x], { axis: 1 }), -0.5));
      return g.rename(g.concat([g.scale(rise, 0), g.offset(g.scale(rise, 10), -0.1)], 1), 'logits');
    });
    const at = { images: { shape: [8, 1, 1, 1], data: new Float32Array(8).fill(0.45) }, labels: new Int32Array(8) };
    const broken = async (runs: number) =>
      (await perturb(new Classifier(hinge, runtime), restarts(fab({ steps: 3 }), runs), at)).success;
    expect(await broken(1)).toEqual(new Uint8Array(8));
    expect((await broken(4)).reduce((a, b) => a + b, 0)).toBeGreaterThan(4);
  });

  it.each<[string, Attack]>([
    ['BIM', bim({ steps: 2 })],
    ['FGSM toward the runner-up', targeted(fgsm(), 'runner-up')],
    ['DeepFool', deepFool({ steps: 3 })],
    ['the worst of two', worstCase([fgsm(), bim({ steps: 2 })])],
  ])('are one run of an attack that draws nothing: %s', async (_, attack) => {
    const options = { images, labels, ...(isMinimal(attack) ? {} : { epsilon: 0.02 }) };
    const [once, thrice] = [
      await perturb(network, attack, options),
      await perturb(network, restarts(attack, 3), options),
    ];
    expect(thrice.gradients).toBe(once.gradients);
    expect(thrice.adversarial).toEqual(once.adversarial);
  });

  it('need a number', () => expect(() => restarts(pgd(), 0)).toThrow('must be a whole number, 1 or more, not 0'));
});

describe('targeted', () => {
  // logits = weights · x: the order of the classes at an image is known, and FGSM toward k goes along its own row.
  const weights = [
    [1, 0, 0, 0],
    [0, 1, 0, 0],
    [0, 0, 1, 0],
    [0, 0, 0, 1],
  ];
  const points = { shape: [2, 1, 2, 2], data: Float32Array.from([0.9, 0.5, 0.3, 0.1, 0.2, 0.4, 0.6, 0.8]) };
  const truth = [0, 3];

  it.each<[TargetPolicy, number, (number[] | number)[]]>([
    ['runner-up', 0.25, [1, 2]],
    ['least-likely', 0.5, [3, 0]],
    [{ class: 2 }, 0.4, [2, 2]],
    [{ list: [3, 1] }, 0.5, [3, 1]],
    [{ list: [0, 1] }, 0.5, [0, 1]],
    [
      'random',
      0.5,
      [
        [1, 2, 3],
        [0, 1, 2],
      ],
    ],
    [{ top: 2 }, 0.35, [1, 2]],
    ['all', 0.5, [1, 2]],
  ])('%j aims at the right classes', async (policy, epsilon, expected) => {
    const classifier = new Classifier(affineModel([1, 2, 2], weights), runtime);
    const attack = targeted(fgsm({ loss: 'margin' }), policy);
    expect(JSON.parse(JSON.stringify(attack))).toEqual(attack);
    const { predictions } = await perturb(classifier, attack, { images: points, labels: truth, epsilon });
    for (const [i, k] of predictions.entries())
      if (Array.isArray(expected[i])) expect(expected[i]).toContain(k);
      else expect(k).toBe(expected[i]);
  });

  it('with all classes breaks what any single target breaks', async () => {
    const attack = pgd({ steps: 4, loss: 'margin' });
    const single = await Promise.all([0, 1, 2, 3, 4].map((k) => successOf(targeted(attack, { class: k }), 0.08, 1)));
    const all = await successOf(targeted(attack, 'all'), 0.08, 1);
    expect([...all]).toEqual(Array.from(labels, (_, i) => Number(single.some((success) => success[i] === 1))));
  });

  it('of smallest perturbations keeps the shortest over the targets', async () => {
    const attack = hopSkipJump({ iterations: 2, starts: 40 });
    const single = await Promise.all(
      [0, 1, 2, 3, 4].map((k) => perturb(network, targeted(attack, { class: k }), { images, labels })),
    );
    const all = await perturb(network, targeted(attack, 'all'), { images, labels });
    for (const i of labels.keys()) {
      const lengths = single.flatMap(({ success, distance }) => (success[i] === 1 ? [distance[i]!] : []));
      if (lengths.length > 0) expect(all.distance[i]).toBeCloseTo(Math.min(...lengths), 6);
    }
  });

  it('takes targets that a function chose, and leaves images alone whose target is their class', async () => {
    // The likeliest of the classes that are not the true one.
    const likeliest = ({ label, logits }: TargetChoice) =>
      logits.reduce((best, z, k) => (k !== label && (best < 0 || z > logits[best]!) ? k : best), -1);
    const choose = (choice: TargetChoice) => (choice.index === 2 ? choice.label : likeliest(choice));
    const list = await chooseTargets(network, { images, labels, choose });
    const { adversarial, predictions, success } = await perturb(network, targeted(pgd({ loss: 'margin' }), { list }), {
      images,
      labels,
      epsilon: 0.5,
    });
    expect([...rows(adversarial, 2, 3).data]).toEqual([...rows(images, 2, 3).data]);
    expect(success[2]).toBe(0);
    expect([...predictions].filter((k, i) => k === list[i]).length).toBeGreaterThan(10);
  });

  it.each<[string, TargetPolicy, object, string]>([
    ['a class that is not there', { class: 5 }, {}, "the target class 5 is out of range: 'small' has classes 0 to 4"],
    ['a list that is too short', { list: [1] }, {}, 'the list of targets has 1 entries, and none for image 1'],
    ['no targets', { top: 0 }, {}, 'the number of targets must be a whole number, 1 or more, not 0'],
    ['targets beside its own', 'all', { targets: labels }, "targets were given, and 'targeted' chooses its own"],
  ])('refuses %s', async (_, policy, over, message) => {
    const options = { images, labels, epsilon: 0.1, ...('targets' in over ? { targets: labels } : {}) };
    const refusal = await perturb(network, targeted(fgsm(), policy), options).catch((error) => error);
    expect(refusal).toBeInstanceOf(UsageError);
    expect(refusal.message).toContain(message);
  });
});

it('transfers: the search sees the surrogate alone, the success is the attacked model’s', async () => {
  // The rows of the surrogate are those of the attacked model in another order: what moves one leaves the other.
  const attacked = new Classifier(
    affineModel(
      [1, 1, 2],
      [
        [1, 0],
        [-1, 0],
      ],
      [-0.5, 0.5],
    ),
    runtime,
  );
  const blind = new Classifier(
    affineModel(
      [1, 1, 2],
      [
        [0, 1],
        [0, -1],
      ],
    ),
    runtime,
  );
  const same = new Classifier(
    affineModel(
      [1, 1, 2],
      [
        [2, 0],
        [-2, 0],
      ],
      [-1, 1],
    ),
    runtime,
  );
  const point = { shape: [1, 1, 1, 2], data: Float32Array.from([0.6, 0.6]) };
  for (const attack of [
    fgsm(),
    worstCase([fgsm(), square({ queries: 9 })]),
    targeted(fgsm(), 'all'),
    restarts(pgd({ steps: 2 }), 2),
  ]) {
    const options = { images: point, labels: [0], epsilon: 0.2 };
    expect((await perturb(attacked, attack, { ...options, surrogate: same })).success[0]).toBe(1);
    if (attack.name === 'fgsm')
      expect((await perturb(attacked, attack, { ...options, surrogate: blind })).success[0]).toBe(0);
  }
});
