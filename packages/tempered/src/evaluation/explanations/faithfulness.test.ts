/** Infidelity, average drop, max-sensitivity and completeness in closed form. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attribute } from '../../attribution/attribute.ts';
import { completenessOf } from '../../attribution/explanation.ts';
import { gradientTimesInput, plainGradient } from '../../attribution/gradient.ts';
import { exactShapley } from '../../attribution/perturbation/exact-shapley.ts';
import { featureAblation } from '../../attribution/perturbation/feature-ablation.ts';
import { kernelShap } from '../../attribution/perturbation/kernel-shap.ts';
import { shapleySampling } from '../../attribution/perturbation/shapley-sampling.ts';
import { Classifier } from '../../models/classifier.ts';
import { affineModel, modelOf, noiseImages } from '../../models/testing/small-models.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Tensor } from '../../tensor.ts';
import { averageDrop, averageGain, averageIncrease } from './average-drop.ts';
import { completeness } from './completeness.ts';
import { infidelities, infidelity } from './infidelity.ts';
import { maxSensitivity } from './max-sensitivity.ts';
import type { MeasureTask } from './measure.ts';
import { type ExplanationMeasure, kindOf } from './measures.ts';
import { taskOf } from './testing/task.ts';

const SHAPE = [2, 4, 4];
const SIZE = 32;
const weights = Array.from({ length: SIZE }, (_, i) => Math.sin(i) * (1 + (i % 3)));
const images = noiseImages(3, SHAPE);

let runtime: Runtime;
let linear: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  linear = new Classifier(affineModel(SHAPE, [weights, weights.map(() => 0)]), runtime);
});
afterAll(() => runtime.close());

const score = (measure: ExplanationMeasure, attributions: Tensor, more: Partial<MeasureTask> = {}) =>
  kindOf(measure).score(taskOf(linear, images, attributions, more), measure);
const mapped = ({ shape, data }: Tensor, f: (value: number, i: number) => number): Tensor => ({
  shape,
  data: data.map(f),
});
const explain = async (method: ReturnType<typeof plainGradient> | ReturnType<typeof gradientTimesInput>) =>
  (await attribute(linear, { images, method, target: 0 })).attributions;

describe('infidelity on a linear model', () => {
  it.each(['square', 'gaussian'] as const)(
    'is 0 for its slopes and for shares of its output, %s',
    async (perturbation) => {
      for (const relative of [true, false]) {
        const measure = infidelity({ perturbation, samples: 20, scaling: 'none', relative });
        for (const found of await score(measure, await explain(plainGradient()))) expect(found).toBeCloseTo(0, 8);
        for (const found of await score(measure, await explain(gradientTimesInput()), { scale: 'global' }))
          expect(found).toBeCloseTo(0, 8);
      }
    },
  );

  it('is 1 for a map of zeros, and for one that is wrong everywhere unless its sign may be turned', async () => {
    const slopes = await explain(plainGradient());
    const options = { samples: 20, perturbation: 'gaussian' } as const;
    for (const found of await score(
      infidelity(options),
      mapped(slopes, () => 0),
    ))
      expect(found).toBeCloseTo(1, 8);
    const wrong = mapped(slopes, (value) => -3 * value);
    for (const found of await score(infidelity(options), wrong)) expect(found).toBeCloseTo(1, 8);
    for (const found of await score(infidelity({ ...options, scaling: 'optimal' }), wrong))
      expect(found).toBeCloseTo(0, 8);
    for (const found of await score(infidelity({ ...options, scaling: 'none' }), wrong))
      expect(found).toBeCloseTo(16, 4);
  });

  it('takes a map without channels for the share of the pixel', async () => {
    const shares = await explain(gradientTimesInput());
    const area = SIZE / 2;
    const summed = {
      shape: [3, 1, 4, 4],
      data: Float32Array.from({ length: 3 * area }, (_, i) => {
        const [n, p] = [Math.floor(i / area), i % area];
        return shares.data[n * SIZE + p]! + shares.data[n * SIZE + area + p]!;
      }),
    };
    const measure = infidelity({ samples: 20, scaling: 'none' });
    for (const found of await score(measure, summed, { scale: 'global' })) expect(found).toBeCloseTo(0, 8);
  });

  it('takes the share of a feature for the pixels of it, in equal parts', async () => {
    // Features of 3, 12 and 17 pixels; on a model of one slope each pixel of a grey image has the same share.
    const shape = [1, 8, 4];
    const uniform = new Classifier(
      affineModel(
        shape,
        [0.7, 0].map((slope) => Array<number>(SIZE).fill(slope)),
      ),
      runtime,
    );
    const grey = { shape: [2, ...shape], data: new Float32Array(2 * SIZE).fill(0.5) };
    const mask = { shape: [8, 4], data: Array.from({ length: SIZE }, (_, p) => (p < 3 ? 0 : p < 15 ? 1 : 2)) };
    const measure = infidelity({ samples: 20, scaling: 'none' });
    for (const method of [
      exactShapley({ features: mask }),
      featureAblation({ features: mask }),
      kernelShap({ features: mask }),
    ]) {
      const { attributions, featureSizes } = await attribute(uniform, { images: grey, method, target: 0 });
      expect(featureSizes!.data.slice(2, 4)).toEqual(Float32Array.of(3, 12));
      const task = taskOf(uniform, grey, attributions, { scale: 'global', featureSizes });
      for (const found of await kindOf(measure).score(task, measure)) expect(found).toBeCloseTo(0, 6);
    }
  });

  it('is the definition, on pairs that are given', () => {
    const pairs = {
      foretold: { shape: [1, 2], data: Float32Array.of(1, 2) },
      happened: { shape: [1, 2], data: Float32Array.of(2, 2) },
    };
    expect(infidelities(pairs, { scaling: 'none', relative: false })[0]).toBeCloseTo(0.5, 12);
    expect(infidelities(pairs, { scaling: 'none', relative: true })[0]).toBeCloseTo(1 / 8, 12);
    // The best factor is 6 / 5.
    expect(infidelities(pairs, { scaling: 'optimal', relative: false })[0]).toBeCloseTo((0.8 ** 2 + 0.4 ** 2) / 2, 12);
  });

  it('does not depend on how images are batched', async () => {
    const measure = infidelity({ samples: 9 });
    const random = noiseImages(3, SHAPE, 5);
    const [some, one] = [await score(measure, random), await score(measure, random, { batchSize: 1 })];
    some.forEach((value, i) => void expect(one[i]).toBeCloseTo(value, 5));
  });
});

describe('average drop, increase and gain', () => {
  const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
  const expected = (map: (i: number) => number) =>
    [0, 1, 2].map((n) => {
      const logit = (of: (i: number) => number) =>
        weights.reduce((sum, w, i) => sum + w * images.data[n * SIZE + i]! * of(i), 0);
      return [sigmoid(logit(() => 1)), sigmoid(logit(map))] as const;
    });

  it.each<[string, Partial<MeasureTask>, (i: number) => number, (i: number) => number]>([
    // Sums over channels: pixels 0 to 15 have 1 + p, the map is their share of 16.
    ['positive relevance over the largest', {}, (i) => (1 + (i % 16)) / 2, (i) => (1 + (i % 16)) / 16],
    ['nothing of what is negative', {}, (i) => (i % 16 < 8 ? 1 : -5), (i) => Number(i % 16 < 8)],
    ['magnitudes of slopes', { ranking: 'magnitude' }, (i) => (i % 2 ? -1 : 1), () => 1],
    ['a map without positive relevance', {}, () => -1, () => 0],
  ])('%s', async (_, more, map, shown) => {
    const attributions = mapped(images, (_, i) => map(i % SIZE));
    const pairs = expected(shown);
    const formulas: [ExplanationMeasure, (y: number, o: number) => number][] = [
      [averageDrop(), (y, o) => Math.max(0, y - o) / y],
      [averageIncrease(), (y, o) => Number(o > y + 1e-6)],
      [averageGain(), (y, o) => Math.max(0, o - y) / (1 - y)],
    ];
    for (const [measure, formula] of formulas) {
      const found = await score(measure, attributions, more);
      pairs.forEach(([y, o], n) => void expect(found[n]).toBeCloseTo(formula(y, o), 5));
    }
  });
});

describe('max-sensitivity', () => {
  /** y₀ = Σ x² / 2: the gradient is the image. */
  const square = () =>
    new Classifier(
      modelOf([1, 2, 2], 2, (g, x) => {
        const half = g.scale(g.reduceSum(g.op('Flatten', [g.square(x)], { axis: 1 }), [1], true), 0.5);
        return g.rename(g.concat([half, g.scale(half, 0)], 1), 'logits');
      }),
      runtime,
    );

  it('is the largest relative change of the map', async () => {
    const classifier = square();
    const grey = { shape: [1, 1, 2, 2], data: new Float32Array(4).fill(0.5) };
    const seen: Tensor[] = [];
    const explain = async (images: Tensor) => {
      seen.push(images);
      return (await attribute(classifier, { images, method: plainGradient(), target: 0 })).attributions;
    };
    const measure = maxSensitivity({ radius: 0.1, samples: 5 });
    const task = taskOf(classifier, grey, await explain(grey), { explain });
    const [found] = await kindOf(measure).score(task, measure);
    const changes = seen.slice(1).map(({ data }) => Math.hypot(...data.map((value) => value - 0.5)));
    expect(found).toBeCloseTo(Math.max(...changes), 5); // ‖x‖ is 1
    expect(new Set(changes).size).toBe(5);
    for (const { data } of seen)
      for (const value of data) expect(Math.abs(value - 0.5)).toBeLessThanOrEqual(0.1 + 1e-6);
  });

  it('is not known for a map of zeros, and keeps to images', async () => {
    const black = { shape: [1, 1, 2, 2], data: Float32Array.of(0, 0, 0, 1) };
    const measure = maxSensitivity({ radius: 0.5, samples: 3 });
    const explain = async (images: Tensor) => {
      for (const value of images.data) expect(value >= 0 && value <= 1).toBe(true);
      return images;
    };
    const zero = { shape: black.shape, data: new Float32Array(4) };
    const [found] = await kindOf(measure).score(taskOf(linear, black, zero, { explain }), measure);
    expect(found).toBeNaN();
  });
});

describe('completeness', () => {
  it('is the relative error that the certificate states', async () => {
    const attributions = { shape: [2, 1, 1, 2], data: Float32Array.of(1, 2, 3, 4) };
    const task = taskOf(linear, attributions, attributions, { completeness: completenessOf(attributions, [4, 7]) });
    expect([...(await kindOf(completeness()).score(task, completeness()))]).toEqual([0.25, 0]);
  });

  it.each([
    ['exact Shapley values', exactShapley({ features: { squares: 2 } })],
    ['Kernel SHAP', kernelShap({ features: { squares: 2 } })],
    ['sampled Shapley values', shapleySampling({ permutations: 4, features: { squares: 2 } })],
  ])('of %s is 0: features are counted once, not once a pixel', async (_, method) => {
    const { attributions, certificate } = await attribute(linear, { images, method, target: 0 });
    const task = taskOf(linear, images, attributions, { completeness: certificate!.completeness! });
    for (const found of await kindOf(completeness()).score(task, completeness())) expect(found).toBeCloseTo(0, 5);
  });
});
