import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import { affineModel, networkModel, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type Attack, isMinimal, perturb } from './attack.ts';
import { hopSkipJump } from './hop-skip-jump.ts';
import { nes } from './nes.ts';
import { noise } from './noise.ts';
import { pgd } from './pgd.ts';
import { restarts } from './restarts.ts';
import { square } from './square.ts';
import { targeted } from './targeted.ts';
import { worstCase } from './worst-case.ts';

const SHAPE = [1, 4, 4];
const images = noiseImages(6, SHAPE);

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const ATTACKS: readonly (readonly [Attack, epsilon: number])[] = [
  [square({ queries: 25 }), 0.08],
  [square({ queries: 15, norm: 'l1' }), 1],
  [noise({ kind: 'corners', draws: 60 }), 0.1],
  [nes({ steps: 3, samples: 20 }), 0.08],
  [hopSkipJump({ iterations: 2 }), 0.3],
  [worstCase([noise({ draws: 20 }), square({ queries: 10 })]), 0.08],
];

describe.each(ATTACKS)('$name', (attack, epsilon) => {
  const options = (labels: Int32Array) => ({ images, labels, ...(isMinimal(attack) ? {} : { epsilon }) });

  it('is blind to the scale of the logits and to the order of the classes, and leaves its input alone', () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 10_000 }), async (seed) => {
        const weights = Array.from({ length: 3 }, (_, k) =>
          Array.from(noiseImages(1, SHAPE, seed + k).data, (v) => 2 * v - 1),
        );
        const bias = weights.map((w) => -w.reduce((sum, v) => sum + v / 2, 0));
        const model = (w: number[][], b: number[]) => new Classifier(affineModel(SHAPE, w, b), runtime);
        const plain = model(weights, bias);
        const labels = await predict(plain, images);
        const before = images.data.slice();
        const found = await perturb(plain, attack, options(labels));
        expect(images.data).toEqual(before);
        // Powers of two scale without rounding.
        const scaled = model(
          weights.map((w) => w.map((v) => 4 * v)),
          bias.map((v) => 4 * v),
        );
        const again = await perturb(scaled, attack, options(labels));
        expect(again.adversarial.data).toEqual(found.adversarial.data);
        const order = [2, 0, 1];
        const permuted = model(
          order.map((k) => weights[k]!),
          order.map((k) => bias[k]!),
        );
        const renamed = labels.map((k) => order.indexOf(k));
        const other = await perturb(permuted, attack, options(renamed));
        expect(other.adversarial.data).toEqual(found.adversarial.data);
        expect([...other.predictions]).toEqual(Array.from(found.predictions, (k) => order.indexOf(k)));
      }),
      { numRuns: 2 },
    ));
});

it.each<[string, (budget: number) => Attack]>([
  ['draws of noise', (draws) => noise({ kind: 'corners', draws })],
  ['queries of Square', (queries) => square({ queries, schedule: 60 })],
  ['steps of NES', (steps) => nes({ steps, samples: 10, stepSize: 0.01 })],
  ['restarts', (runs) => restarts(pgd({ steps: 2 }), runs)],
  ['targets', (top) => targeted(pgd({ steps: 2 }), { top: Math.min(top, 3) })],
])('more %s break what fewer break', async (_, attack) => {
  const network = new Classifier(
    networkModel({ inputShape: SHAPE, classes: 4, activation: 'Relu', bias: true }),
    runtime,
  );
  const labels = await predict(network, images);
  let known = new Uint8Array(6);
  for (const budget of [1, 3, 15, 60]) {
    const { success } = await perturb(network, attack(budget), { images, labels, epsilon: 0.06, seed: 1 });
    for (const [i, broken] of known.entries()) expect(success[i]).toBeGreaterThanOrEqual(broken);
    known = new Uint8Array(success);
  }
});
