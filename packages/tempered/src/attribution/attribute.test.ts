import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { npyToTensor, parseNpy } from '../data/npy.ts';
import { UsageError } from '../errors.ts';
import { Classifier } from '../models/classifier.ts';
import { readModel } from '../models/load.ts';
import { predict, predictLogits } from '../models/predict.ts';
import { affineModel, modelOf, networkModel, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { trackTensors } from '../runtime/testing/track-tensors.ts';
import { rows, type Tensor } from '../tensor.ts';
import { type AttributeOptions, type AttributionMethod, attribute } from './attribute.ts';
import { conductance } from './conductance.ts';
import { gradientTimesInput, plainGradient } from './gradient.ts';
import { integratedGradients } from './integrated-gradients.ts';
import { smoothGrad } from './smoothgrad.ts';

const SHAPE = [2, 2, 3];
const SIZE = 12;
const images = noiseImages(4, SHAPE);
const WEIGHTS = [0, 1, 2].map((k) => Array.from({ length: SIZE }, (_, i) => Math.sin(3 * k + i)));

let runtime: Runtime;
let affine: Classifier;
let smooth: Classifier;
let biasFree: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  affine = new Classifier(affineModel(SHAPE, WEIGHTS, [0.1, 0.2, 0.3]), runtime);
  smooth = new Classifier(networkModel({ inputShape: SHAPE, classes: 3, activation: 'Tanh', bias: true }), runtime);
  biasFree = new Classifier(networkModel({ inputShape: SHAPE, classes: 3, activation: 'Relu', bias: false }), runtime);
});
afterAll(() => runtime.close());

const furthest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a, (value, i) => Math.abs(value - b[i]!)).reduce((largest, value) => Math.max(largest, value), 0);

describe('on an affine classifier', () => {
  const explain = (method: AttributionMethod, options: Partial<AttributeOptions> = {}) =>
    attribute(affine, { images, method, ...options });
  const expected = (of: (w: number, x: number) => number) =>
    Array.from(images.data, (x, i) => of(WEIGHTS[1]![i % SIZE]!, x));

  it.each<[string, AttributionMethod, (w: number, x: number) => number]>([
    ['gradient', plainGradient(), (w) => w],
    ['gradient × input', gradientTimesInput(), (w, x) => w * x],
    ['SmoothGrad', smoothGrad({ samples: 3 }), (w) => w],
    ['integrated gradients from black', integratedGradients({ steps: 2 }), (w, x) => w * x],
    ['integrated gradients from white', integratedGradients({ steps: 3, baseline: 'white' }), (w, x) => w * (x - 1)],
  ])('%s has its closed form', async (_, method, form) => {
    const { attributions, targets, output } = await explain(method, { target: 1 });
    expect(attributions.shape).toEqual(images.shape);
    expect(furthest(attributions.data, expected(form))).toBeLessThan(2e-6);
    expect([...targets]).toEqual([1, 1, 1, 1]);
    expect(
      furthest(
        output,
        Array.from({ length: 4 }, (_, n) =>
          WEIGHTS[1]!.reduce((sum, w, i) => sum + w * images.data[n * SIZE + i]!, 0.2),
        ),
      ),
    ).toBeLessThan(2e-6);
  });

  it('integrated gradients from the mean start at the mean of each channel', async () => {
    const { attributions, certificate } = await explain(integratedGradients({ steps: 1, baseline: 'mean' }), {
      target: 1,
    });
    const mean = (i: number) => images.data.subarray(i - (i % 6), i - (i % 6) + 6).reduce((a, b) => a + b, 0) / 6;
    const closed = Array.from(images.data, (x, i) => WEIGHTS[1]![i % SIZE]! * (x - mean(i)));
    expect(furthest(attributions.data, closed)).toBeLessThan(2e-6);
    expect(certificate!.completeness!.every(({ error }) => error < 1e-5)).toBe(true);
  });

  it('a vector has one mean', async () => {
    const vector = new Classifier(affineModel([3], [[1, 2, 3]]), runtime);
    const x = { shape: [1, 3], data: Float32Array.of(1, 2, 6) };
    const { attributions } = await attribute(vector, {
      images: x,
      method: integratedGradients({ steps: 1, baseline: 'mean' }),
    });
    expect(furthest(attributions.data, [-2, -2, 9])).toBeLessThan(2e-6);
  });

  it('integrated gradients start at a given image, with a batch axis or without', async () => {
    const start = noiseImages(1, SHAPE, 9);
    for (const shape of [start.shape, SHAPE]) {
      const { attributions } = await explain(integratedGradients({ steps: 1, baseline: { ...start, shape } }), {
        target: 1,
      });
      const closed = Array.from(images.data, (x, i) => WEIGHTS[1]![i % SIZE]! * (x - start.data[i % SIZE]!));
      expect(furthest(attributions.data, closed)).toBeLessThan(2e-6);
    }
  });

  it('explains the probability and the loss', async () => {
    const logits = await predictLogits(affine, images);
    for (let n = 0; n < 4; n++) {
      const z = [...logits.data.subarray(n * 3, n * 3 + 3)].map(Math.exp);
      const p = z.map((value) => value / (z[0]! + z[1]! + z[2]!));
      const mean = (i: number) => p.reduce((sum, pk, k) => sum + pk * WEIGHTS[k]![i]!, 0);
      const image = rows(images, n, n + 1);
      const probability = await attribute(affine, {
        images: image,
        method: plainGradient(),
        target: 2,
        of: 'probability',
      });
      const loss = await attribute(affine, { images: image, method: plainGradient(), target: 2, of: 'loss' });
      expect(
        furthest(
          probability.attributions.data,
          WEIGHTS[2]!.map((w, i) => p[2]! * (w - mean(i))),
        ),
      ).toBeLessThan(2e-6);
      expect(
        furthest(
          loss.attributions.data,
          WEIGHTS[2]!.map((w, i) => mean(i) - w),
        ),
      ).toBeLessThan(2e-6);
      expect(probability.output[0]).toBeCloseTo(p[2]!, 5);
      expect(loss.output[0]).toBeCloseTo(-Math.log(p[2]!), 5);
    }
  });

  it('explains the predicted class unless told another, and one class an image', async () => {
    expect((await explain(plainGradient())).targets).toEqual(await predict(affine, images));
    const { attributions } = await explain(plainGradient(), { target: [0, 1, 2, 0] });
    expect(
      furthest(
        attributions.data,
        [0, 1, 2, 0].flatMap((k) => WEIGHTS[k]!),
      ),
    ).toBeLessThan(2e-6);
  });
});

describe('integrated gradients', () => {
  it('adds up better and better the more steps', async () => {
    const errors: number[] = [];
    for (const steps of [1, 3, 10, 100]) {
      const { certificate } = await attribute(smooth, { images, method: integratedGradients({ steps }), target: 0 });
      for (const { sum, difference, error, relativeError } of certificate!.completeness!) {
        expect(error).toBe(Math.abs(sum - difference));
        expect(relativeError).toBeCloseTo(error / Math.abs(difference), 12);
      }
      errors.push(Math.max(...certificate!.completeness!.map(({ error }) => error)));
    }
    expect(errors[1]).toBeLessThan(errors[0]! / 2);
    expect(errors[2]).toBeLessThan(errors[1]! / 2);
    expect(errors[3]).toBeLessThan(1e-3);
    const { attributions, certificate } = await attribute(smooth, {
      images,
      method: integratedGradients(),
      target: 0,
    });
    const sum = attributions.data.subarray(0, SIZE).reduce((a, b) => a + b, 0);
    expect(certificate!.completeness![0]!.sum).toBeCloseTo(sum, 6);
    const [at, base] = [
      await predictLogits(smooth, images),
      await predictLogits(smooth, { shape: [1, ...SHAPE], data: new Float32Array(SIZE) }),
    ];
    expect(certificate!.completeness![0]!.difference).toBeCloseTo(at.data[0]! - base.data[0]!, 5);
  });

  it('is exact with one step from black on a network of ReLUs without biases', async () => {
    const { attributions, certificate } = await attribute(biasFree, {
      images,
      method: integratedGradients({ steps: 1 }),
    });
    expect(Math.max(...certificate!.completeness!.map(({ error }) => error))).toBeLessThan(1e-5);
    const product = await attribute(biasFree, { images, method: gradientTimesInput() });
    expect(furthest(attributions.data, product.attributions.data)).toBeLessThan(1e-5);
  });

  it('never looks at the ends of its path, where a gradient may not be finite', async () => {
    const rooted = new Classifier(
      modelOf([4], 1, (g, x) => g.rename(g.reduceSum(g.sqrt(x), [1], true), 'logits')),
      runtime,
    );
    const x = { shape: [1, 4], data: Float32Array.of(0.25, 1, 0.5, 0.09) };
    for (const batchSize of [1, 7, 64]) {
      const { attributions } = await attribute(rooted, {
        images: x,
        method: integratedGradients({ steps: 1000 }),
        batchSize,
      });
      expect(furthest(attributions.data, [0.5, 1, Math.SQRT1_2, 0.3])).toBeLessThan(0.02);
    }
  });
});

describe('SmoothGrad', () => {
  it('without noise is the gradient', async () => {
    const plain = await attribute(smooth, { images, method: plainGradient() });
    const still = await attribute(smooth, { images, method: smoothGrad({ samples: 5, sigma: 0 }) });
    expect(furthest(still.attributions.data, plain.attributions.data)).toBeLessThan(1e-6);
  });

  it('depends on the seed, and converges to the gradient of the smoothed function', async () => {
    // For f = Σ x³, the mean of f′ under noise of deviation s is 3 x² + 3 s².
    const cubic = new Classifier(
      modelOf([2], 1, (g, x) => g.rename(g.reduceSum(g.mul(x, g.mul(x, x)), [1], true), 'logits')),
      runtime,
    );
    const x = { shape: [1, 2], data: Float32Array.of(0.2, 1.2) };
    const explain = (seed: number) =>
      attribute(cubic, { images: x, method: smoothGrad({ samples: 4000, sigma: 0.3 }), seed });
    const { attributions } = await explain(0);
    // The deviation is a share of the range, which is 1 here.
    expect(
      furthest(
        attributions.data,
        [0.04, 1.44].map((square) => 3 * square + 3 * 0.09),
      ),
    ).toBeLessThan(0.15);
    expect((await explain(0)).attributions.data).toEqual(attributions.data);
    expect((await explain(1)).attributions.data).not.toEqual(attributions.data);
  });
});

describe('attribute', () => {
  it('gives an image the same map however its data set is cut', async () => {
    const method = smoothGrad({ samples: 6 });
    const whole = await attribute(smooth, { images, method, target: 1 });
    const later = await attribute(smooth, { images: rows(images, 2, 4), method, target: 1, imageNumbers: [2, 3] });
    expect(later.attributions.data).toEqual(rows(whole.attributions, 2, 4).data);
    const renumbered = await attribute(smooth, { images: rows(images, 2, 4), method, target: 1 });
    expect(renumbered.attributions.data).not.toEqual(later.attributions.data);
  });

  it.each([plainGradient(), gradientTimesInput(), smoothGrad({ samples: 7 }), integratedGradients({ steps: 7 })])(
    'gives the same for any batch size: $name',
    async (method) => {
      const whole = await attribute(smooth, { images, method });
      for (const batchSize of [1, 3]) {
        const parts = await attribute(smooth, { images, method, batchSize });
        expect(furthest(parts.attributions.data, whole.attributions.data)).toBeLessThan(2e-6);
      }
    },
  );

  it.each([plainGradient(), smoothGrad(), integratedGradients()])('of no images is empty: $name', async (method) => {
    const { attributions, output } = await attribute(smooth, { images: noiseImages(0, SHAPE), method });
    expect([attributions.shape, output.length]).toEqual([[0, ...SHAPE], 0]);
  });

  it('stops when asked, reports its progress, and releases what it placed with the engine', async () => {
    const { runtime: watched, live } = trackTensors(runtime);
    const classifier = new Classifier(smooth.description, watched);
    const stop = new AbortController();
    const done: number[] = [];
    const onProgress = (progress: { done: number; total: number }) => {
      done.push(progress.done);
      expect(progress.total).toBe(20);
      // In the middle of the second image.
      if (progress.done === 8) stop.abort(new Error('enough'));
    };
    const options = { images, method: integratedGradients({ steps: 5 }), batchSize: 2, onProgress };
    await expect(attribute(classifier, { ...options, signal: stop.signal })).rejects.toThrow('enough');
    expect(done).toEqual([2, 4, 6, 8]);
    await attribute(classifier, options);
    expect(live.size).toBe(0);
  });

  it.each<[string, Partial<AttributeOptions>, RegExp]>([
    ['no samples', { method: smoothGrad({ samples: 0 }) }, /^samples must be a whole number, 1 or more, not 0$/],
    ['noise below 0', { method: smoothGrad({ sigma: -1 }) }, /^sigma must be 0 or more, not -1$/],
    [
      'half a step',
      { method: integratedGradients({ steps: 0.5 }) },
      /^steps must be a whole number, 1 or more, not 0.5$/,
    ],
    ['a target out of range', { target: 3 }, /^class 3 is out of range: 'small' has classes 0 to 2$/],
    ['a target between classes', { target: [0, 1.5, 0, 0] }, /^class 1.5 is out of range/],
    ['too few targets', { target: [0] }, /^4 images were given with 1 labels$/],
    ['no batch', { batchSize: 0 }, /^the batch size must be/],
    [
      'a pixel that is no number',
      { images: { ...images, data: images.data.map((x, i) => (i === SIZE ? Number.NaN : x)) } },
      /^image 1 has the value NaN: it cannot be explained$/,
    ],
    ['another method', { method: { name: 'magic' } as never }, /magic/],
    ['another output', { of: 'luck' as 'logit' }, /luck/],
    ['another rule', { method: integratedGradients({ rule: 'simpson' as 'left' }) }, /simpson/],
    ['too few numbers', { imageNumbers: [0] }, /^4 images were given with 1 numbers$/],
    ['images of another size', { images: noiseImages(1, [3]) }, /^images of shape \[1, 3\] do not fit/],
    [
      'a baseline of another size',
      { method: integratedGradients({ baseline: noiseImages(1, [2, 3, 2]) }) },
      /^the baseline has shape \[1, 2, 3, 2\]; it must be one input, \[2, 2, 3\], or one for each image$/,
    ],
  ])('refuses %s', async (_, over, message) => {
    const refusal = await attribute(smooth, { images, method: plainGradient(), ...over }).catch((error) => error);
    expect(refusal).toBeInstanceOf(UsageError);
    expect(refusal.message).toMatch(message);
  });
});

const FIXTURES = '../shared/fixtures/pytorch-gradients';
describe.skipIf(!existsSync(FIXTURES))(`gradients against PyTorch (skipped where ${FIXTURES} is absent)`, () => {
  const read = (...path: string[]): Tensor =>
    npyToTensor(parseNpy(readFileSync(join(FIXTURES, ...path)), path.join('/')));

  it.each(['small-cnn', 'smooth', 'vgg'])('%s', async (name) => {
    const { targets } = JSON.parse(readFileSync(join(FIXTURES, name, 'meta.json'), 'utf8')) as { targets: number[] };
    const model = new Classifier(readModel(readFileSync(join(FIXTURES, name, 'model.onnx'))), runtime);
    const options = { images: read(name, 'input.npy'), method: plainGradient(), target: targets };
    for (const [of, file] of [
      ['logit', 'grad_logit.npy'],
      ['loss', 'grad_ce.npy'],
    ] as const) {
      const { attributions } = await attribute(model, { ...options, of });
      const expected = read(name, file).data;
      expect(
        furthest(attributions.data, expected) / furthest(expected, new Float32Array(expected.length)),
      ).toBeLessThan(1e-4);
    }
  });
});

describe('a random model', () => {
  // h = 2 x + noise, f = Σ h.
  const noisy = modelOf([4], 1, (g, x) => {
    const h = g.rename(g.add(g.scale(x, 2), g.op('RandomNormal', [], { shape: [1, 4], scale: 5 })), 'h');
    return g.rename(g.reduceSum(h, [1], true), 'logits');
  });
  const x = noiseImages(3, [4]);

  it('has the noise of the seed, whatever was run before', async () => {
    const classifier = new Classifier(noisy, runtime);
    const explain = (seed: number) => attribute(classifier, { images: x, method: plainGradient(), seed, target: 0 });
    const first = await explain(3);
    expect(await explain(3)).toEqual(first);
    expect((await explain(4)).output).not.toEqual(first.output);
  });

  it.each([integratedGradients({ steps: 2 }), conductance({ steps: 2 })])(
    'has one draw at both ends of a way through a layer: $name',
    async (method) => {
      const classifier = new Classifier(noisy, runtime);
      const { attributions } = await attribute(classifier, { images: x, target: 0, layer: 'h', method });
      // With two draws, their difference would count as a change of h.
      expect(
        furthest(
          attributions.data,
          x.data.map((value) => 2 * value),
        ),
      ).toBeLessThan(1e-4);
    },
  );
});

describe('what cannot be explained', () => {
  it.each(['margin', 'probability', 'log-probability', 'loss', { minus: 0 }] as const)(
    'of one logit: %j',
    async (of) => {
      const one = new Classifier(affineModel([3], [[1, 2, 3]]), runtime);
      const refusal = attribute(one, { images: noiseImages(1, [3]), method: plainGradient(), of });
      await expect(refusal).rejects.toThrow(/^'small' has one logit: its .* says nothing; explain the logit$/);
    },
  );

  it.each([plainGradient(), smoothGrad({ samples: 2 }), integratedGradients({ rule: 'adaptive' })])(
    'an output that is not finite, class given or not: $name',
    async (method) => {
      const logarithm = new Classifier(
        modelOf([2], 2, (g, x) => g.rename(g.log(x), 'logits')),
        runtime,
      );
      const x = { shape: [2, 2], data: Float32Array.of(0.5, 1, 0, 1) };
      const options = { images: x, method, imageNumbers: [7, 8] };
      await expect(attribute(logarithm, { ...options, target: 0 })).rejects.toThrow(
        /^what is explained of 'small' is -Infinity for image 8: its attributions would mean nothing$/,
      );
      await expect(attribute(logarithm, options)).rejects.toThrow(/gives the logit -Infinity for image 8/);
    },
  );
});

it('counts the pass that finds the predicted class, and reports progress by name', async () => {
  const stages = new Set<string>();
  const onProgress = ({ stage }: { stage: string }) => stages.add(stage);
  const { cost } = await attribute(smooth, { images, method: plainGradient({ absolute: true }), onProgress });
  expect(cost).toEqual({ forwards: 8, backwards: 4 });
  expect((await attribute(smooth, { images, method: plainGradient(), target: 0 })).cost.forwards).toBe(4);
  expect([...stages]).toEqual(['gradient']);
});
