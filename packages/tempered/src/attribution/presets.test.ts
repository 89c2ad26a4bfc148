import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { predictLogits } from '../models/predict.ts';
import { affineModel, modelOf, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { attribute } from './attribute.ts';
import { type AttributionPreset, attributionPresets } from './presets.ts';
import { furthest } from './testing/furthest.ts';

const images = noiseImages(2, [3, 2, 2]);
const WEIGHTS = [0, 1].map((k) => Array.from({ length: 12 }, (_, i) => Math.sin(3 * k + i)));

let runtime: Runtime;
let affine: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  affine = new Classifier(affineModel([3, 2, 2], WEIGHTS), runtime);
});
afterAll(() => runtime.close());

describe.each(Object.entries<AttributionPreset>(attributionPresets))('%s', (_, preset) => {
  it('runs as it is described', async () => {
    const { method, of, source } = preset;
    expect(source).not.toBe('');
    const { attributions, cost } = await attribute(affine, { images, target: [0, 1], method, of });
    expect(attributions.data.every(Number.isFinite)).toBe(true);
    const points = 'samples' in method ? method.samples : method.steps;
    expect(cost.backwards).toBe(2 * points * (preset.source.includes('10 ') ? 10 : 1));
  });
});

it("Boychev's text divides by one interval too many: its maps are those of the code times m / (m + 1)", async () => {
  const explain = async (name: 'boychev-paper' | 'boychev-cifar') =>
    (await attribute(affine, { images, target: 1, ...attributionPresets[name] })).attributions.data;
  const [paper, code] = [await explain('boychev-paper'), await explain('boychev-cifar')];
  expect(
    furthest(
      paper,
      code.map((value) => (value * 50) / 51),
    ),
  ).toBeLessThan(1e-6);
});

it('the network of Boopathy et al. has softplus where it had ReLUs', async () => {
  const rectified = modelOf([3], 3, (g, x) => g.rename(g.relu(g.relu(x)), 'logits'));
  const x = { shape: [1, 3], data: Float32Array.of(-1, 0, 2) };
  const { data } = await predictLogits(new Classifier(attributionPresets.boopathy.network(rectified), runtime), x);
  const softplus = (value: number) => Math.log(1 + Math.exp(value));
  expect(
    furthest(
      data,
      [-1, 0, 2].map((value) => softplus(softplus(value))),
    ),
  ).toBeLessThan(1e-6);
});
