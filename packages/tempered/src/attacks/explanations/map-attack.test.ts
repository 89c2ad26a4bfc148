import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attribute } from '../../attribution/attribute.ts';
import { plainGradient } from '../../attribution/gradient.ts';
import { UsageError } from '../../errors.ts';
import { createModel } from '../../models/architectures/index.ts';
import { Classifier } from '../../models/classifier.ts';
import { predict, predictLogits } from '../../models/predict.ts';
import { affineModel, noiseImages } from '../../models/testing/small-models.ts';
import { largestPositions } from '../../rank-correlation.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { rows, type Tensor } from '../../tensor.ts';
import { discrepancyAttack, mapsAt, perturbMaps, topKAttack } from './map-attack.ts';

const SHAPE = [1, 12, 12] as const;
const COUNT = 5;
const CLASSES = ['a', 'b', 'c', 'd'];

let runtime: Runtime;
let network: Classifier;
let labels: Int32Array;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  network = new Classifier(
    createModel({ architecture: 'gap-small', inputShape: SHAPE, classes: CLASSES, seed: 3 }),
    runtime,
  );
  labels = await predict(network, images);
});
afterAll(() => runtime.close());

const images = noiseImages(COUNT, [...SHAPE]);
const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);
const row = (tensor: Tensor, i: number) => rows(tensor, i, i + 1).data;
const scaled = (factor: number): Tensor => ({ ...images, data: images.data.map((x) => x * factor) });

describe('maps', () => {
  it('of a network with a linear head have the logit as their mean', async () => {
    const maps = await mapsAt(network, 'cam', { images, labels });
    const logits = await predictLogits(network, images);
    const positions = maps.shape[1]!;
    for (const [i, label] of labels.entries())
      expect(sum(row(maps, i)) / positions).toBeCloseTo(logits.data[i * CLASSES.length + label]!, 5);
  });

  it('CAM++ leaves out the negative weights, so that no class is below CAM where features are positive', async () => {
    const weights = network.description.graph.initializers.get('logits.weight');
    expect(weights?.data.some((w) => Number(w) < 0)).toBe(true);
    const positive = { ...network.description.graph, initializers: new Map(network.description.graph.initializers) };
    const data = Float32Array.from(weights!.data as ArrayLike<number>, (w) => Math.max(0, w));
    positive.initializers.set('logits.weight', { dtype: 'float32', shape: weights!.shape, data });
    const other = new Classifier({ ...network.description, graph: positive }, runtime);
    const expected = await mapsAt(other, 'cam', { images, labels });
    expect((await mapsAt(network, 'cam++', { images, labels })).data).toEqual(expected.data);
  });

  it('of integrated gradients are the mean gradient on the path times the image', async () => {
    const steps = 4;
    const maps = await mapsAt(network, { name: 'integrated-gradients', steps }, { images, labels });
    const slopes = await Promise.all(
      Array.from({ length: steps }, (_, k) =>
        attribute(network, { images: scaled((k + 1) / steps), method: plainGradient(), target: labels }),
      ),
    );
    const expected = images.data.map(
      (x, p) => (x * slopes.reduce((total, { attributions }) => total + attributions.data[p]!, 0)) / steps,
    );
    for (const [p, value] of maps.data.entries()) expect(value).toBeCloseTo(expected[p]!, 5);
  });

  it.each(['cam', 'representation'] as const)('are refused for a model without such a head: %s', async (kind) => {
    const plain = new Classifier(
      affineModel(
        [1, 2, 2],
        [
          [1, 2, 3, 4],
          [4, 3, 2, 1],
        ],
      ),
      runtime,
    );
    await expect(mapsAt(plain, kind, { images: noiseImages(1, [1, 2, 2]), labels: [0] })).rejects.toThrow(UsageError);
  });
});

const KINDS = ['cam', 'cam++', { name: 'integrated-gradients', steps: 3 }] as const;

describe('an attack on maps', () => {
  it.each(KINDS)('takes the mass from where it was largest: %j', async (map) => {
    const k = 4;
    const mass = async (steps: number) => {
      const attack = topKAttack({ map, steps, k, stepSize: 0.02, randomStart: false });
      const { before, after, adversarial, distance } = await perturbMaps(network, attack, {
        images,
        labels,
        epsilon: 0.1,
      });
      expect(Math.max(...distance)).toBeLessThanOrEqual(0.1);
      expect(adversarial.data.every((x) => x >= 0 && x <= 1)).toBe(true);
      return Array.from({ length: COUNT }, (_, i) => {
        const places = largestPositions(row(before, i), k);
        return places.reduce((total, at) => total + row(after, i)[at]!, 0);
      });
    };
    const [none, few, many] = [await mass(0), await mass(2), await mass(15)];
    for (let i = 0; i < COUNT; i++) {
      expect(few[i]).toBeLessThan(none[i]!);
      expect(many[i]).toBeLessThan(few[i]!);
    }
  });

  it('steps along the sign of the slope, which finite differences confirm', async () => {
    const k = 3;
    const attack = topKAttack({ steps: 1, stepSize: 0.01, k, randomStart: false });
    const { adversarial, before } = await perturbMaps(network, attack, { images, labels, epsilon: 0.5 });
    const places = largestPositions(row(before, 0), k);
    const massAt = async (data: Float32Array) => {
      const maps = await mapsAt(network, 'cam', { images: { shape: [1, ...SHAPE], data }, labels: [labels[0]!] });
      return places.reduce((total, at) => total + maps.data[at]!, 0);
    };
    const h = 2 ** -7;
    for (const pixel of [0, 17, 40, 77, 143]) {
      const [up, down] = [1, -1].map((sign) => row(images, 0).map((x, p) => (p === pixel ? x + sign * h : x)));
      const slope = (await massAt(up!)) - (await massAt(down!));
      const x = row(images, 0)[pixel]!;
      // float32 images: a slope of rounding size has no sign.
      if (Math.abs(slope) < 1e-5) continue;
      expect(row(adversarial, 0)[pixel]).toBeCloseTo(Math.min(1, Math.max(0, x - 0.01 * Math.sign(slope))), 6);
    }
  });

  it('by the formula moves the map far and keeps the prediction', async () => {
    const distance = async (lambda: number) => {
      const attack = discrepancyAttack({ steps: 30, stepSize: 0.02, lambda });
      const found = await perturbMaps(network, attack, { images, labels, epsilon: 0.2 });
      const moved = Array.from({ length: COUNT }, (_, i) =>
        sum(row(found.after, i).map((v, p) => Math.abs(v - row(found.before, i)[p]!))),
      );
      return { moved, kept: found.predictions.filter((label, i) => label === labels[i]).length };
    };
    const [free, bound] = [await distance(0), await distance(1e4)];
    expect(Math.min(...free.moved)).toBeGreaterThan(0);
    expect(bound.kept).toBeGreaterThanOrEqual(free.kept);
    expect(bound.kept).toBeGreaterThanOrEqual(COUNT - 1);
  });

  it('does not depend on the batch size, changes nothing at ε = 0 and leaves its input as it was', async () => {
    const kept = images.data.slice();
    const attack = topKAttack({ steps: 4 });
    const whole = await perturbMaps(network, attack, { images, labels, epsilon: 0.1, seed: 2 });
    const parts = await perturbMaps(network, attack, { images, labels, epsilon: 0.1, seed: 2, batchSize: 2 });
    for (const [p, value] of whole.adversarial.data.entries()) expect(parts.adversarial.data[p]).toBeCloseTo(value, 5);
    const still = await perturbMaps(network, attack, { images, labels, epsilon: 0 });
    expect(still.adversarial.data).toEqual(images.data);
    expect(still.after).toEqual(still.before);
    expect(images.data).toEqual(kept);
  });

  it.each([
    ['k of 0', () => topKAttack({ k: 0 }), 'top-k attack: k must be a whole number, 1 or more, not 0'],
    [
      'half a step',
      () => topKAttack({ steps: 0.5 }),
      'attack on maps: steps must be a whole number, 0 or more, not 0.5',
    ],
    ['a step back', () => topKAttack({ stepSize: -1 }), 'attack on maps: stepSize must be 0 or more, not -1'],
    ['λ below 0', () => discrepancyAttack({ lambda: -1 }), 'discrepancy attack: lambda must be 0 or more, not -1'],
  ])('refuses %s', (_, make, message) => {
    expect(make).toThrow(new UsageError(message));
  });

  it('refuses more positions than a map has', async () => {
    const found = perturbMaps(network, topKAttack({ k: 1000 }), { images, labels, epsilon: 0.1 });
    await expect(found).rejects.toThrow(/^k is 1000, but maps of '.+' have \d+ positions: choose fewer of them$/);
  });
});
