import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { modelOf, networkModel, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows, type Tensor } from '../tensor.ts';
import { type AttributeOptions, type AttributionMethod, attribute } from './attribute.ts';
import { gradientTimesInput, plainGradient } from './gradient.ts';
import { integratedGradients } from './integrated-gradients.ts';
import { exactShapley } from './perturbation/exact-shapley.ts';
import { type SmoothGradOptions, smoothGrad, smoothGradSquared, varGrad } from './smoothgrad.ts';
import { furthest } from './testing/furthest.ts';

const SHAPE = [2, 2, 3];
const images = noiseImages(4, SHAPE);
/** The gradient, but of several programs: the right rule with one step looks at the image itself. */
const gradientInSteps = integratedGradients({ rule: 'right', steps: 1, local: true });

let runtime: Runtime;
let smooth: Classifier;
/** Σ x², whose gradient under noise is 2 x + 2 noise. */
let square: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  smooth = new Classifier(networkModel({ inputShape: SHAPE, classes: 3, activation: 'Tanh', bias: true }), runtime);
  square = new Classifier(
    modelOf([2, 2, 2], 1, (g, x) =>
      g.rename(g.reduceSum(g.square(g.op('Flatten', [x], { axis: 1 })), [1], true), 'logits'),
    ),
    runtime,
  );
});
afterAll(() => runtime.close());

const explain = (method: AttributionMethod, options: Partial<AttributeOptions> = {}) =>
  attribute(smooth, { images, target: 1, method, ...options });

describe.each([
  ['in one program', plainGradient()],
  ['sample by sample', gradientInSteps],
] as const)('%s', (_, method) => {
  it('without noise there are the gradient, its square and no variance', async () => {
    const { attributions } = await explain(method);
    const still = { method, samples: 4, sigma: 0 };
    const found = await explain(smoothGrad(still));
    expect(furthest(found.attributions.data, attributions.data)).toBeLessThan(1e-6);
    expect(found.certificate!.standardError!.every((error) => error < 1e-6)).toBe(true);
    const squared = await explain(smoothGradSquared(still));
    expect(
      furthest(
        squared.attributions.data,
        attributions.data.map((value) => value ** 2),
      ),
    ).toBeLessThan(1e-6);
    const variance = await explain(varGrad(still));
    expect(furthest(variance.attributions.data, new Float32Array(48))).toBeLessThan(1e-12);
  });

  it('mean square is squared mean plus variance, and so at least the squared mean', async () => {
    const options = { method, samples: 9 };
    const [mean, meanSquare, variance, population] = await Promise.all(
      [smoothGrad(options), smoothGradSquared(options), varGrad(options), varGrad({ ...options, unbiased: false })].map(
        async (one) => (await explain(one)).attributions.data,
      ),
    );
    expect(
      furthest(
        meanSquare!,
        mean!.map((value, k) => value ** 2 + population![k]!),
      ),
    ).toBeLessThan(1e-5);
    expect(
      furthest(
        population!,
        variance!.map((value) => (value * 8) / 9),
      ),
    ).toBeLessThan(1e-5);
    expect(meanSquare!.every((value, k) => value >= mean![k]! ** 2 - 1e-7)).toBe(true);
  });

  it.each([smoothGrad, smoothGradSquared, varGrad])('is the same for any batch size', async (make) => {
    const whole = await explain(make({ method, samples: 7 }));
    for (const batchSize of [1, 3, 64]) {
      const parts = await explain(make({ method, samples: 7 }), { batchSize });
      expect(furthest(parts.attributions.data, whole.attributions.data)).toBeLessThan(1e-5);
      expect(furthest(parts.certificate!.standardError!, whole.certificate!.standardError!)).toBeLessThan(1e-5);
    }
  });
});

it('a method of many programs sees the same noise as one of one program', async () => {
  for (const clip of [false, true]) {
    const together = await explain(smoothGrad({ samples: 5, clip }));
    const apart = await explain(smoothGrad({ samples: 5, clip, method: gradientInSteps }));
    expect(furthest(apart.attributions.data, together.attributions.data)).toBeLessThan(1e-5);
    expect(apart.certificate!.standardError![2]).toBeCloseTo(together.certificate!.standardError![2]!, 5);
  }
});

it('a random method draws anew for each sample', async () => {
  // Noise of noise: two levels of five samples have less variance than one of five.
  const spread = async (method: AttributionMethod) =>
    (await explain(varGrad({ samples: 40, method }))).attributions.data;
  const one = await spread(plainGradient());
  const two = await spread(smoothGrad({ samples: 1, sigma: 0.4 }));
  expect(two.reduce((a, b) => a + b, 0)).toBeGreaterThan(1.3 * one.reduce((a, b) => a + b, 0));
});

it('takes any method, and its layer', async () => {
  const product = await explain(smoothGrad({ method: gradientTimesInput(), samples: 3, sigma: 0 }));
  const expected = await explain(gradientTimesInput());
  expect(furthest(product.attributions.data, expected.attributions.data)).toBeLessThan(1e-6);
  const layered = new Classifier(
    modelOf([3], 1, (g, x) => {
      const h = g.rename(g.concat([x, g.scale(x, 2)], 1), 'h');
      return g.rename(g.reduceSum(g.square(h), [1], true), 'logits');
    }),
    runtime,
  );
  const x = { shape: [1, 3], data: Float32Array.of(1, 2, 3) };
  const { attributions } = await attribute(layered, { images: x, method: smoothGrad({ sigma: 0 }), layer: 'h' });
  expect(attributions.shape).toEqual([1, 6]);
  expect(furthest(attributions.data, [2, 4, 6, 4, 8, 12])).toBeLessThan(1e-5);
});

describe('noise', () => {
  const x: Tensor = { shape: [1, 2, 2, 2], data: Float32Array.of(0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.2, 0.1) };
  const variances = async (options: SmoothGradOptions) =>
    (await attribute(square, { images: x, method: varGrad({ samples: 1500, ...options }) })).attributions.data;

  it.each<[string, SmoothGradOptions, number[]]>([
    ['of a deviation', { sigma: 0.2, relative: false }, [0.2, 0.2]],
    ['of a share of the range', { sigma: 0.2 }, [0.1, 0.1]],
    [
      'in normalised units',
      { sigma: 0.2, relative: false, normalization: { mean: [0, 0], std: [0.5, 2] } },
      [0.1, 0.4],
    ],
    [
      // From 0 to 0.3 / 0.5 in the first channel, from (0.1 − 0.5) / 2 to 0 in the second: a range of 0.8.
      'of a share of the range of the normalised image',
      { sigma: 0.25, normalization: { mean: [0, 0.5], std: [0.5, 2] } },
      [0.1, 0.4],
    ],
  ])('%s', async (_, options, deviations) => {
    const found = await variances(options);
    deviations.forEach((deviation, channel) => {
      // The variance of 1500 draws is off by 3.7 % (one standard deviation); of four, half that.
      const mean = found.subarray(4 * channel, 4 * channel + 4).reduce((a, b) => a + b, 0) / 4;
      expect(Math.abs(mean / (4 * deviation ** 2) - 1)).toBeLessThan(0.08);
    });
  });

  it('can be kept to [0, 1]', async () => {
    const bounded = (clip: boolean) =>
      attribute(square, {
        images: x,
        method: smoothGrad({ sigma: 3, relative: false, clip, samples: 20, method: gradientTimesInput() }),
      });
    // 2 x² is at most 2 where x is at most 1.
    expect(Math.max(...(await bounded(true)).attributions.data)).toBeLessThanOrEqual(2);
    expect(Math.max(...(await bounded(false)).attributions.data)).toBeGreaterThan(2);
  });

  it('is as far off as the standard error says', async () => {
    // 300 equal images with noise of their own: their maps scatter as the certificate of each says.
    const count = 300;
    const many = { shape: [count, 2, 2, 2], data: new Float32Array(8 * count) };
    for (let i = 0; i < count; i++) many.data.set(x.data, 8 * i);
    for (const [make, expected] of [
      [smoothGrad, (value: number) => 2 * value],
      [smoothGradSquared, (value: number) => 4 * value ** 2 + 4 * 0.01],
      [varGrad, () => 4 * 0.01],
    ] as const) {
      const { attributions, certificate } = await attribute(square, {
        images: many,
        method: make({ samples: 30, sigma: 0.2 }),
      });
      const errors = attributions.data.map((value, k) => (value - expected(x.data[k % 8]!)) ** 2);
      const found = Math.sqrt(errors.reduce((a, b) => a + b, 0) / errors.length);
      const stated = certificate!.standardError!.map((error, i) => {
        const largest = Math.max(...rows(attributions, i, i + 1).data.map(Math.abs));
        return (error * largest) ** 2;
      });
      expect(found / Math.sqrt(stated.reduce((a, b) => a + b, 0) / count)).toBeCloseTo(1, 1);
    }
  });
});

it.each<[string, AttributionMethod, RegExp]>([
  ['a variance of one sample', varGrad({ samples: 1 }), /^one sample has no variance: give VarGrad 2 samples or more$/],
  ['no samples', smoothGradSquared({ samples: 0 }), /^samples must be a whole number, 1 or more, not 0$/],
  ['noise below 0', smoothGrad({ sigma: -1, method: gradientInSteps }), /^sigma must be 0 or more, not -1$/],
  [
    'a normalization of other channels',
    smoothGrad({ normalization: { mean: [0], std: [1] } }),
    /^the normalization of the noise needs a mean and an std above 0 for each of the 2 channels$/,
  ],
])('refuses %s', (_, method, message) => expect(explain(method)).rejects.toThrow(message));

it('stops when asked in the middle of the samples', async () => {
  const stop = new AbortController();
  const done: number[] = [];
  const onProgress = (progress: { done: number; total: number }) => {
    expect(progress.total).toBe(12);
    done.push(progress.done);
    if (progress.done === 6) stop.abort(new Error('enough'));
  };
  const options = { batchSize: 2, signal: stop.signal, onProgress };
  await expect(explain(smoothGrad({ samples: 3, method: gradientInSteps }), options)).rejects.toThrow('enough');
  expect(done).toEqual([2, 4, 6]);
});

it('baselines and feature masks of each image go with it, in batches of any size', async () => {
  const masks = { shape: [4, 1, 2, 3], data: Array.from({ length: 24 }, (_, k) => ((k % 6) + Math.floor(k / 6)) % 3) };
  for (const inner of [
    integratedGradients({ steps: 2, baseline: noiseImages(4, SHAPE, 8) }),
    exactShapley({ features: masks, baseline: noiseImages(4, SHAPE, 8) }),
    smoothGrad({ samples: 2, method: integratedGradients({ steps: 2, baseline: noiseImages(4, SHAPE, 8) }) }),
  ]) {
    const method = smoothGrad({ method: inner, samples: 2 });
    const whole = await explain(method);
    for (const batchSize of [1, 3]) {
      const parts = await explain(method, { batchSize });
      expect(furthest(parts.attributions.data, whole.attributions.data)).toBeLessThan(2e-6);
    }
  }
});
