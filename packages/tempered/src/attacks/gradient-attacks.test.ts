import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { affineModel, networkModel, noiseImages } from '../models/testing/small-models.ts';
import { balls } from '../optimize/ball.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows, type Tensor } from '../tensor.ts';
import { type Attack, perturb } from './attack.ts';
import { fgsm, fgsmRs, rFgsm } from './fgsm.ts';
import { miFgsm, niFgsm } from './momentum.ts';
import { bim, pgd } from './pgd.ts';

const SHAPE = [1, 4, 4];
const COUNT = 12;
const images = noiseImages(COUNT, SHAPE, 3);

let runtime: Runtime;
let network: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  network = new Classifier(networkModel({ inputShape: SHAPE, classes: 4, activation: 'Relu', bias: true }), runtime);
});
afterAll(() => runtime.close());

const imageOf = (tensor: Tensor, i: number) => [...rows(tensor, i, i + 1).data];
const clip = (value: number) => Math.min(1, Math.max(0, value));
const furthest = (a: readonly number[], b: readonly number[]) => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

describe('in double precision, on an affine classifier', () => {
  // Two classes: the gradient of the margin is the same everywhere, and that of the cross-entropy a multiple of it.
  const gradient = Array.from({ length: 16 }, (_, i) => Math.sin(1 + 7 * i));
  const classifier = () =>
    new Classifier(affineModel(SHAPE, [gradient.map((w) => -w / 2), gradient.map((w) => w / 2)]), runtime);
  const labels = new Int32Array(COUNT);
  const epsilon = 0.1;
  const attacked = async (attack: Attack) =>
    (await perturb(classifier(), attack, { images, labels, epsilon })).adversarial;

  it('MI-FGSM and NI-FGSM step along the sign of the running sum', async () => {
    for (const attack of [miFgsm({ loss: 'margin', steps: 4 }), niFgsm({ loss: 'margin', steps: 4 })]) {
      const found = await attacked(attack);
      for (let i = 0; i < COUNT; i++) {
        const expected = imageOf(images, i).map((x, p) => clip(x + epsilon * Math.sign(gradient[p]!)));
        expect(furthest(imageOf(found, i), expected)).toBeLessThan(1e-6);
      }
    }
  });

  it('R+FGSM moves α along random signs and ε − α along the gradient', async () => {
    const found = await attacked(rFgsm());
    for (let i = 0; i < COUNT; i++) {
      imageOf(found, i).forEach((value, p) => {
        const x = imageOf(images, i)[p]!;
        const options = [-1, 1].map((sign) =>
          clip(clip(x + (sign * epsilon) / 2) + (Math.sign(gradient[p]!) * epsilon) / 2),
        );
        expect(Math.min(...options.map((option) => Math.abs(option - value)))).toBeLessThan(1e-6);
      });
    }
  });

  it('FGSM-RS ends within ε, at ε wherever its start was at most a quarter of ε on the other side', async () => {
    const found = await attacked(fgsmRs());
    let moved = 0;
    for (let i = 0; i < COUNT; i++) {
      imageOf(found, i).forEach((value, p) => {
        const x = imageOf(images, i)[p]!;
        const way = (value - x) * Math.sign(gradient[p]!);
        expect(way).toBeLessThan(epsilon + 1e-6);
        expect(way).toBeGreaterThan(Math.min(0.25 * epsilon, gradient[p]! > 0 ? 1 - x : x) - 1e-6);
        if (way > epsilon - 1e-6) moved += 1;
      });
    }
    expect(moved / (COUNT * 16)).toBeGreaterThan(0.4);
  });

  it('BIM takes steps of ε / steps from the image', async () => {
    const found = await attacked(bim({ steps: 5, norm: 'l2' }));
    const length = Math.hypot(...gradient);
    for (let i = 0; i < COUNT; i++) {
      let x = imageOf(images, i);
      for (let step = 0; step < 5; step++) x = x.map((value, p) => clip(value + (0.02 * gradient[p]!) / length));
      expect(furthest(imageOf(found, i), x)).toBeLessThan(1e-6);
    }
  });

  it('FGSM in l1 moves the pixel with the largest gradient, sparse PGD a share of them', async () => {
    const order = [...gradient.keys()].sort((a, b) => Math.abs(gradient[b]!) - Math.abs(gradient[a]!));
    const moved = async (attack: Attack) => {
      const found = await attacked(attack);
      return imageOf(images, 0).flatMap((x, p) => (Math.abs(imageOf(found, 0)[p]! - x) > 1e-4 ? [p] : []));
    };
    expect(await moved(fgsm({ norm: 'l1' }))).toEqual([order[0]]);
    const sparse = pgd({ norm: 'l1', steps: 1, randomStart: false, direction: { largest: 0.25 } });
    expect(await moved(sparse)).toEqual(order.slice(0, 4).sort((a, b) => a - b));
  });
});

describe('PGD', () => {
  const labels = Int32Array.from({ length: COUNT }, (_, i) => i % 4);
  const options = { images, labels, epsilon: 0.15 };

  it.each(['linf', 'l2', 'l1'] as const)(
    'finds whatever FGSM and shorter runs find, and stays inside (%s)',
    async (norm) => {
      const epsilon = { linf: 0.1, l2: 0.3, l1: 0.8 }[norm];
      for (const keep of ['first', 'worst'] as const) {
        const attacks = [fgsm({ norm }), ...[40, 80, 160].map((steps) => pgd({ norm, steps, keep }))];
        let before: Uint8Array = new Uint8Array(COUNT);
        for (const attack of attacks) {
          const { success, distance } = await perturb(network, attack, { ...options, epsilon });
          for (const [i, flag] of success.entries()) expect(flag).toBeGreaterThanOrEqual(before[i]!);
          expect(Math.max(...distance)).toBeLessThanOrEqual(epsilon);
          before = success;
        }
        expect(before.reduce((a, b) => a + b, 0)).toBeGreaterThan(1);
      }
    },
  );

  it('with keep first spends nothing more on images that are broken, and finds as much as with keep worst', async () => {
    const first = await perturb(network, pgd({ keep: 'first', steps: 32, fgsmFirst: false }), options);
    const worst = await perturb(network, pgd({ keep: 'worst', steps: 32, fgsmFirst: false }), options);
    expect(first.success).toEqual(worst.success);
    expect(first.gradients).toBeLessThan(worst.gradients / 1.5);
    const alone = await perturb(network, pgd({ keep: 'first', steps: 32, fgsmFirst: false }), {
      ...options,
      batchSize: 1,
    });
    expect(alone.success).toEqual(first.success);
    expect(furthest([...alone.adversarial.data], [...first.adversarial.data])).toBeLessThan(1e-4);
  });

  it.each(['linf', 'l2', 'l1'] as const)('starts where it is told to (%s)', async (norm) => {
    const epsilon = 0.2;
    const grey = { shape: [COUNT, ...SHAPE], data: new Float32Array(COUNT * 16).fill(0.5) };
    const starts = async (randomStart: 'sphere' | 'ball') => {
      const attack = pgd({ norm, steps: 0, randomStart });
      const { adversarial } = await perturb(network, attack, { ...options, images: grey, epsilon });
      return Array.from({ length: COUNT }, (_, i) =>
        balls[norm].distance(rows(adversarial, i, i + 1).data, rows(grey, i, i + 1).data),
      );
    };
    for (const length of await starts('sphere')) expect(length).toBeCloseTo(epsilon, 5);
    for (const length of await starts('ball')) expect(length).toBeLessThanOrEqual(epsilon);
    expect(Math.min(...(await starts('ball')))).toBeGreaterThan(0);
  });
});
