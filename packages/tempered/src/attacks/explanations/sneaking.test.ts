import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../errors.ts';
import { createModel } from '../../models/architectures/index.ts';
import { Classifier } from '../../models/classifier.ts';
import { predict } from '../../models/predict.ts';
import { noiseImages } from '../../models/testing/small-models.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { rows } from '../../tensor.ts';
import { mapsAt } from './map-attack.ts';
import { sneak, sneakingAttack } from './sneaking.ts';

const SHAPE = [1, 12, 12] as const;
const COUNT = 4;
const CLASSES = ['a', 'b', 'c'];
const images = noiseImages(COUNT, [...SHAPE]);

let runtime: Runtime;
let network: Classifier;
let labels: Int32Array;
let targets: Int32Array;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  network = new Classifier(
    createModel({ architecture: 'gap-small', inputShape: SHAPE, classes: CLASSES, seed: 3 }),
    runtime,
  );
  labels = await predict(network, images);
  targets = labels.map((label) => (label + 1) % CLASSES.length);
});
afterAll(() => runtime.close());

const quick = { steps: 15, weights: 5, relativeStep: 0.15 };

describe('the interpretation-sneaking attack', () => {
  it('reaches the target with a discrepancy that falls as the ball grows, and never below the bound (proposition 1)', async () => {
    const attack = sneakingAttack({ ...quick, factors: [1.1, 2] });
    const found = await sneak(network, attack, { images, labels, targets });
    expect(found.map(({ factor }) => factor)).toEqual([1.1, 2]);
    for (const { adversarial, success, epsilon, discrepancy, bound } of found) {
      const predictions = await predict(network, adversarial);
      expect([...success]).toEqual(Array.from(predictions, (k, i) => Number(k === targets[i])));
      expect(success.reduce((a, b) => a + b, 0)).toBeGreaterThanOrEqual(COUNT - 1);
      for (let i = 0; i < COUNT; i++) {
        if (success[i] === 0) continue;
        const moved = rows(adversarial, i, i + 1).data.map((x, p) => Math.abs(x - rows(images, i, i + 1).data[p]!));
        expect(Math.max(...moved)).toBeLessThanOrEqual(epsilon[i]! * (1 + 1e-6));
        expect(bound[i]).toBeGreaterThan(0);
        expect(discrepancy[i]).toBeGreaterThanOrEqual(bound[i]! * (1 - 1e-4));
      }
    }
    const [near, wide] = found.map(({ discrepancy }) => discrepancy.reduce((a, b) => a + b, 0));
    expect(wide).toBeLessThanOrEqual(near! * (1 + 1e-6));
  });

  it.each(['true', 'two', 'all'] as const)('reports the discrepancy of the maps it returns: %s', async (classes) => {
    const attack = sneakingAttack({ ...quick, factors: [1.5], classes });
    const [found] = await sneak(network, attack, { images, labels, targets });
    const set = { true: [labels], two: [labels, targets], all: [0, 1, 2].map((k) => new Int32Array(COUNT).fill(k)) };
    let expected = new Float64Array(COUNT);
    for (const each of set[classes]) {
      const [before, after] = [
        await mapsAt(network, 'cam', { images, labels: each }),
        await mapsAt(network, 'cam', { images: found!.adversarial, labels: each }),
      ];
      const positions = before.shape[1]!;
      expected = expected.map((sum, i) => {
        const [a, b] = [rows(before, i, i + 1).data, rows(after, i, i + 1).data];
        return sum + a.reduce((total, v, p) => total + Math.abs(v - b[p]!), 0) / positions / set[classes].length;
      });
    }
    for (let i = 0; i < COUNT; i++)
      if (found!.success[i] === 1) expect(found!.discrepancy[i]).toBeCloseTo(expected[i]!, 4);
  });

  it('leaves images out that are not classified right, and gives the others what they get alone', async () => {
    const attack = sneakingAttack({ ...quick, factors: [1.5] });
    const wrong = labels.map((label, i) => (i === 1 ? (label + 2) % CLASSES.length : label));
    const [whole] = await sneak(network, attack, { images, labels, targets });
    const [part] = await sneak(network, attack, { images, labels: wrong, targets });
    for (let i = 0; i < COUNT; i++) {
      const [of, own] = [i === 1 ? images : whole!.adversarial, part!.adversarial].map((all) => rows(all, i, i + 1));
      for (const [p, x] of own!.data.entries()) expect(x).toBeCloseTo(of!.data[p]!, 4);
      expect(part!.success[i]).toBe(i === 1 ? 0 : whole!.success[i]);
      if (i === 1) expect([part!.discrepancy[i], part!.epsilon[i]]).toEqual([Number.NaN, Number.NaN]);
      else expect(part!.epsilon[i]).toBeCloseTo(whole!.epsilon[i]!, 5);
    }
    const all = labels.map((label) => (label + 2) % CLASSES.length);
    const [none] = await sneak(network, attack, { images, labels: all, targets });
    expect(none!.success).toEqual(new Uint8Array(COUNT));
    expect(none!.adversarial.data).toEqual(images.data);
  });

  it('refuses a target that is the label', async () => {
    const refusal = await sneak(network, sneakingAttack(), { images, labels, targets: labels }).catch((e) => e);
    expect(refusal).toBeInstanceOf(UsageError);
    expect(refusal.message).toBe('the target of image 0 is its own class');
  });

  it.each([
    ['a factor below 1', { factors: [0.5] }, 'factors on the smallest radius must be 1 or more, not 0.5'],
    ['no steps', { steps: 0 }, 'steps must be a whole number, 1 or more, not 0'],
    ['no weights', { weights: 0 }, 'weights must be a whole number, 1 or more, not 0'],
    ['a negative step', { relativeStep: -1 }, 'relativeStep must be 0 or more, not -1'],
  ])('refuses %s', (_, options, message) => {
    expect(() => sneakingAttack(options)).toThrow(new UsageError(`interpretation-sneaking: ${message}`));
  });
});
