import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { affineModel, noiseImages } from '../models/testing/small-models.ts';
import { randomStart } from '../optimize/optimize-input.ts';
import { nearestPoint } from '../optimize/testing/nearest-point.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows } from '../tensor.ts';
import { perturb } from './attack.ts';
import { autoPgd } from './auto-pgd.ts';
import { checkpoints } from './auto-pgd-schedule.ts';
import { affineBenchmark } from './testing/affine-benchmark.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

it.each([
  [100, [22, 41, 57, 70, 80, 87, 93, 99]],
  [50, [11, 21, 30, 38, 45]],
  [20, [4, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]],
  [10, [2, 3, 4, 5, 6, 7, 8, 9, 10]],
  [200, [44, 82, 114, 140, 160, 174, 186, 198]],
])('of %i steps, those of the authors’ implementation are checkpoints', (steps, expected) => {
  expect(checkpoints(steps).slice(0, expected.length)).toEqual(expected);
});

describe('with every image at 1.01 of the smallest perturbation there is', () => {
  // The best published: 60, 60 and 24.
  it.each([
    ['linf', 60],
    ['l2', 60],
    ['l1', 50],
  ] as const)('targeted AutoPGD in %s breaks at least %i of 60', async (norm, atLeast) => {
    const { classifier, images, labels, optimum } = affineBenchmark(runtime);
    const epsilon = optimum[norm].map((length) => 1.01 * length);
    const attack = autoPgd({ norm, loss: 'targeted-dlr' });
    const { success, distance } = await perturb(classifier, attack, { images, labels, epsilon });
    expect(success.reduce((a, b) => a + b, 0)).toBeGreaterThanOrEqual(atLeast);
    distance.forEach((length, i) => {
      expect(length).toBeLessThanOrEqual(epsilon[i]!);
      if (success[i] === 1) expect(length).toBeGreaterThanOrEqual(optimum[norm][i]! * (1 - 1e-5));
    });
  });
});

describe('step by step', () => {
  const SHAPE = [1, 2, 3];
  const COUNT = 8;
  const WEIGHTS = [
    [1, -2, 0.5, 0.3, 1, -1],
    [-1, 1, 0.5, 2, 0.2, -3],
    [0.5, 0.4, -1.5, 1, -2, 0.1],
  ];
  const images = noiseImages(COUNT, SHAPE, 5);
  const labels = Int32Array.from({ length: COUNT }, (_, i) => i % 3);

  const lossAt = (x: readonly number[], label: number) => {
    const logits = WEIGHTS.map((row) => row.reduce((sum, w, i) => sum + w * x[i]!, 0));
    const top = Math.max(...logits);
    const exponentials = logits.map((z) => Math.exp(z - top));
    const total = exponentials.reduce((a, b) => a + b);
    const value = Math.log(total) + top - logits[label]!;
    const slopes = exponentials.map((e, k) => e / total - Number(k === label));
    const gradient = x.map((_, i) => slopes.reduce((sum, s, k) => sum + s * WEIGHTS[k]![i]!, 0));
    return { value, gradient, wrong: logits.some((z, k) => k !== label && z > logits[label]!) };
  };

  /** Algorithm 1 of Croce & Hein 2020 in double precision, to the letter. */
  function reference(
    norm: 'linf' | 'l2',
    origin: number[],
    start: number[],
    label: number,
    epsilon: number,
    steps: number,
  ) {
    const project = (x: number[]) => nearestPoint(norm, x, origin, epsilon);
    const direction = (g: number[]) => (norm === 'linf' ? g.map(Math.sign) : g.map((v) => v / Math.hypot(...g)));
    const climb = (x: number[], eta: number) => {
      const way = direction(lossAt(x, label).gradient);
      return project(x.map((v, i) => v + eta * way[i]!));
    };
    const W = checkpoints(steps);
    let eta = 2 * epsilon;
    let [before, x] = [start, climb(start, eta)];
    const values = [lossAt(start, label).value, lossAt(x, label).value];
    let best = values[1]! > values[0]! ? x : start;
    let wrong = [start, x].find((point) => lossAt(point, label).wrong);
    let [etaAtCheck, bestAtCheck, lastCheck, lastHalved] = [eta, values[0]!, 0, false];
    const check = (k: number) => {
      if (!W.includes(k)) return;
      let rises = 0;
      for (let i = lastCheck; i < k; i++) if (values[i + 1]! > values[i]!) rises += 1;
      const fmax = lossAt(best, label).value;
      const few = rises < 0.75 * (k - lastCheck);
      const stuck = !lastHalved && etaAtCheck === eta && fmax === bestAtCheck;
      lastHalved = few || stuck;
      if (lastHalved) {
        eta /= 2;
        x = best;
        values[k] = fmax;
      }
      [etaAtCheck, bestAtCheck, lastCheck] = [eta, fmax, k];
    };
    check(1);
    for (let k = 1; k < steps; k++) {
      const z = climb(x, eta);
      const next = project(x.map((v, i) => v + 0.75 * (z[i]! - v) + 0.25 * (v - before[i]!)));
      [before, x] = [x, next];
      const { value, wrong: isWrong } = lossAt(x, label);
      values.push(value);
      if (isWrong) wrong ??= x;
      if (value > lossAt(best, label).value) best = x;
      check(k + 1);
    }
    return wrong ?? best;
  }

  it.each([
    ['linf', 0.03, 10],
    ['linf', 0.08, 24],
    ['l2', 0.05, 10],
    ['l2', 0.12, 24],
  ] as const)('follows the published algorithm (%s, ε %f, %i steps)', async (norm, epsilon, steps) => {
    const classifier = new Classifier(affineModel(SHAPE, WEIGHTS), runtime);
    const { adversarial } = await perturb(classifier, autoPgd({ norm, steps }), { images, labels, epsilon });
    const radii = { shape: [COUNT], data: new Float32Array(COUNT).fill(epsilon) };
    const starts = randomStart(images, { start: 0, end: COUNT }, 0, { norm, epsilon: radii, randomStart: 'sphere' });
    for (const [i, label] of labels.entries()) {
      const expected = reference(
        norm,
        [...rows(images, i, i + 1).data],
        [...rows(starts, i, i + 1).data],
        label,
        epsilon,
        steps,
      );
      const found = rows(adversarial, i, i + 1).data;
      expect(Math.max(...expected.map((value, p) => Math.abs(value - found[p]!)))).toBeLessThan(
        norm === 'l2' ? 1e-4 : 1e-5,
      );
    }
  });

  it('aims at a given class, and needs enough classes for the loss', async () => {
    const benchmark = affineBenchmark(runtime, { count: 10 });
    const targets = benchmark.labels.map((k) => (k + 1) % 10);
    for (const loss of ['cross-entropy', 'margin', 'targeted-dlr'] as const) {
      const { predictions } = await perturb(benchmark.classifier, autoPgd({ loss, steps: 30 }), {
        ...{ images: benchmark.images, labels: benchmark.labels, targets },
        epsilon: 1,
      });
      expect(predictions).toEqual(targets);
    }
    const classifier = new Classifier(affineModel(SHAPE, WEIGHTS), runtime);
    const few = perturb(classifier, autoPgd({ loss: 'targeted-dlr' }), { images, labels, epsilon: 0.1 });
    await expect(few).rejects.toThrow('targeted DLR compares 4 classes, but the model has 3: use the margin');
  });
});
