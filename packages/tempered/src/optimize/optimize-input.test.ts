import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { Classifier } from '../models/classifier.ts';
import { predictLogits } from '../models/predict.ts';
import { affineModel, networkModel, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { trackTensors } from '../runtime/testing/track-tensors.ts';
import { rows } from '../tensor.ts';
import { balls } from './ball.ts';
import { type OptimizationStep, type OptimizeInputOptions, optimizeInput } from './optimize-input.ts';

const SHAPE = [2, 3, 4];
const COUNT = 7;
const images = noiseImages(COUNT, SHAPE);
const labels = Int32Array.from({ length: COUNT }, (_, i) => i % 5);

let runtime: Runtime;
let classifier: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  classifier = new Classifier(networkModel({ inputShape: SHAPE, classes: 5, activation: 'Tanh', bias: true }), runtime);
});
afterAll(() => runtime.close());

const options = (over: Partial<OptimizeInputOptions> = {}): OptimizeInputOptions => ({
  images,
  labels,
  goal: 'away',
  norm: 'linf',
  epsilon: 0.1,
  stepSize: 0.03,
  steps: 5,
  ...over,
});

const run = (over: Partial<OptimizeInputOptions> = {}) => optimizeInput(classifier, options(over));

/** Cross-entropy in double precision, from logits. */
function crossEntropy(logits: Float32Array, label: number): number {
  const top = Math.max(...logits);
  return Math.log(logits.reduce((sum, z) => sum + Math.exp(z - top), 0)) + top - logits[label]!;
}

const difference = (a: Float32Array, b: Float32Array) =>
  a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0);

describe('optimizeInput', () => {
  it.each(['linf', 'l2'] as const)('gives the same for any batch size (%s)', async (norm) => {
    const over = { norm, randomStart: true, epsilon: norm === 'l2' ? 0.4 : 0.1 };
    const whole = await run({ ...over, batchSize: 50 });
    for (const batchSize of [1, 3]) {
      const parts = await run({ ...over, batchSize });
      expect(difference(parts.images.data, whole.images.data)).toBeLessThan(1e-5);
      expect(difference(parts.objective, whole.objective)).toBeLessThan(1e-4);
      expect(parts.success).toEqual(whole.success);
    }
  });

  it('starts each image from a point that depends on the seed and its number alone', async () => {
    const over = { randomStart: true, steps: 0 };
    const whole = await run(over);
    const one = await run({ ...over, batchSize: 1 });
    expect(one.images.data).toEqual(whole.images.data);
    const later = await run({
      ...over,
      images: rows(images, 3, 5),
      labels: labels.subarray(3, 5),
      imageNumbers: [3, 4],
    });
    expect(later.images.data).toEqual(rows(whole.images, 3, 5).data);
    const other = await run({ ...over, seed: 1 });
    expect(difference(other.images.data, whole.images.data)).toBeGreaterThan(0.05);
  });

  it('reports objective, logits and success of the images it returns', async () => {
    for (const keep of ['last', 'worst'] as const) {
      const result = await run({ keep, randomStart: true });
      const logits = await predictLogits(classifier, result.images);
      expect(difference(result.logits.data, logits.data)).toBeLessThan(1e-5);
      for (let i = 0; i < COUNT; i++) {
        const own = logits.data.subarray(i * 5, (i + 1) * 5);
        expect(result.objective[i]).toBeCloseTo(crossEntropy(own, labels[i]!), 4);
        const others = own.filter((_, k) => k !== labels[i]);
        expect(result.success[i]).toBe(Number(Math.max(...others) > own[labels[i]!]!));
      }
    }
  });

  it.each(['cross-entropy', 'margin', 'logit', 'probability'] as const)(
    'moves %s the way of its goal',
    async (objective) => {
      const rises = objective === 'cross-entropy' || objective === 'margin' ? 1 : -1;
      const start = await run({ objective, steps: 0 });
      for (const [goal, sign] of [
        ['away', rises],
        ['toward', -rises],
      ] as const) {
        const end = await run({ objective, goal, stepSize: 0.005 });
        for (let i = 0; i < COUNT; i++) expect(sign * (end.objective[i]! - start.objective[i]!)).toBeGreaterThan(0);
      }
    },
  );

  it('keeps the worst: never better for the classifier than the last, nor than the start', async () => {
    // Steps far longer than the ball is wide throw the iterate from side to side.
    const wild = { epsilon: 0.6, stepSize: 0.7, steps: 6 };
    const [start, last, worst] = [await run({ steps: 0 }), await run(wild), await run({ ...wild, keep: 'worst' })];
    let better = 0;
    for (let i = 0; i < COUNT; i++) {
      for (const other of [start, last]) {
        const rank = (of: typeof worst) => of.success[i]! * 1000 + of.objective[i]!;
        expect(rank(worst)).toBeGreaterThanOrEqual(rank(other) - 1e-4);
      }
      if (worst.objective[i]! > last.objective[i]! + 1e-4) better += 1;
    }
    expect(better).toBeGreaterThan(0);
  });

  it('starts elsewhere at each restart', async () => {
    const over = { randomStart: true, steps: 1 };
    const [one, again, other] = [
      await run(over),
      await run({ ...over, restart: 0 }),
      await run({ ...over, restart: 1 }),
    ];
    expect(again.images.data).toEqual(one.images.data);
    expect(other.images.data).not.toEqual(one.images.data);
    expect(one.gradients).toBe(COUNT);
    expect(one.forwards).toBe(COUNT * 2);
  });

  it('takes a radius and a step for each image', async () => {
    const epsilon = Array.from({ length: COUNT }, (_, i) => 0.02 * (i + 1));
    const each = await run({ epsilon, stepSize: epsilon, steps: 2, batchSize: 3 });
    for (const [i, radius] of epsilon.entries()) {
      const one = await run({ epsilon: radius, stepSize: radius, steps: 2 });
      expect(rows(each.images, i, i + 1).data).toEqual(rows(one.images, i, i + 1).data);
    }
  });

  it('stays inside ball and box, and leaves its input as it was', async () => {
    const before = images.data.slice();
    for (const [norm, epsilon] of [
      ['linf', 0.1],
      ['l2', 0.5],
      ['linf', 3],
    ] as const) {
      const result = await run({ norm, epsilon, stepSize: epsilon, randomStart: true });
      for (let i = 0; i < COUNT; i++) {
        const distance = balls[norm].distance(rows(result.images, i, i + 1).data, rows(images, i, i + 1).data);
        expect(distance).toBeLessThanOrEqual(epsilon * (1 + 1e-6) + 1e-7);
      }
      expect(result.images.data.every((value) => value >= 0 && value <= 1)).toBe(true);
    }
    expect(images.data).toEqual(before);
  });

  it('with ε = 0 returns the images themselves', async () => {
    for (const norm of ['linf', 'l2'] as const) {
      const { images: found } = await run({ norm, epsilon: 0, randomStart: true });
      expect(found.data).toEqual(images.data);
    }
  });

  it('with no steps returns the start, judged', async () => {
    for (const keep of ['last', 'worst'] as const) {
      const { images: found, objective } = await run({ steps: 0, keep });
      expect(found.data).toEqual(images.data);
      expect(objective.every((value) => value > 0)).toBe(true);
    }
  });

  it('shows every step: each iterate with its objective, before it moves', async () => {
    const seen: (Pick<OptimizationStep, 'step' | 'chunk' | 'objective'> & {
      at: Float32Array;
      shape: readonly number[];
    })[] = [];
    const result = await run({
      batchSize: 5,
      onStep: async ({ step, chunk, objective, read }) => {
        const { data, shape } = await read();
        seen.push({ step, chunk, objective, at: data, shape });
      },
    });
    expect(seen.map(({ step, chunk }) => [chunk.start, step])).toEqual(
      [0, 5].flatMap((start) => [0, 1, 2, 3, 4].map((step) => [start, step])),
    );
    expect(seen.at(-1)!.shape).toEqual([2, ...SHAPE]);
    expect(seen[0]!.at).toEqual(rows(images, 0, 5).data);
    for (const { chunk, objective, at, shape } of seen) {
      const logits = await predictLogits(classifier, { shape, data: at });
      expect(objective).toHaveLength(chunk.end - chunk.start);
      objective.forEach((value, i) => {
        const own = logits.data.subarray(i * 5, (i + 1) * 5);
        expect(value).toBeCloseTo(crossEntropy(own, labels[chunk.start + i]!), 4);
      });
    }
    // Every iterate lies one step of 0.03 from the one before.
    expect(difference(seen[1]!.at, seen[0]!.at)).toBeCloseTo(0.03, 6);
    expect(difference(result.images.data.subarray(0, 5 * 24), seen[4]!.at)).toBeLessThan(0.0601);
  });

  it('reaches the exact maximum of a linear objective', async () => {
    const weights = [
      [1, -2, 0.5, 3],
      [-1, 1, 0, 2],
    ];
    const affine = new Classifier(affineModel([1, 2, 2], weights), runtime);
    const x = { shape: [1, 1, 2, 2], data: Float32Array.of(0.5, 0.05, 0.4, 0.98) };
    const { images: found } = await optimizeInput(affine, {
      ...options({ images: x, labels: [0], objective: 'margin', epsilon: 0.1, stepSize: 0.02, steps: 20 }),
    });
    // The gradient of the margin is the difference of the rows, (-2, 3, -0.5, -1): each pixel goes as far as ball and box allow.
    expect([...found.data]).toEqual([0.4, 0.15, 0.3, 0.88].map((value) => expect.closeTo(value, 6)));
  });

  it('counts the images whose gradient is exactly zero where the attack starts', async () => {
    // float32 knows no probability this close to 1: the gradient of the cross-entropy is 0, that of the margin is not.
    const steep = affineModel(
      [1, 2, 2],
      [
        [1e4, 0, 0, 0],
        [0, 1, 0, 0],
      ],
    );
    const saturated = new Classifier(steep, runtime);
    const pixels = [0.5, 0.2, 0.2, 0.2, 0, 0.2, 0.2, 0.2, 0.9, 0.1, 0, 0];
    const of = (over: Partial<OptimizeInputOptions>) =>
      optimizeInput(
        saturated,
        options({
          images: { shape: [3, 1, 2, 2], data: Float32Array.from(pixels) },
          labels: [0, 0, 0],
          epsilon: 1e-3,
          stepSize: 1e-3,
          ...over,
        }),
      );
    for (const batchSize of [1, 2, 3]) expect((await of({ batchSize })).zeroGradients).toBe(2);
    expect((await of({ norm: 'l2', keep: 'worst' })).zeroGradients).toBe(2);
    expect((await of({ objective: 'margin' })).zeroGradients).toBe(0);
    expect((await of({ steps: 0 })).zeroGradients).toBe(0);
    expect((await of({ randomStart: true, labels: [0, 1, 0] })).zeroGradients).toBeGreaterThanOrEqual(2);
  });

  it.each<[string, Partial<OptimizeInputOptions>, RegExp]>([
    [
      'pixels above 1',
      { images: { ...images, data: images.data.map((x, i) => (i === 30 ? 1.5 : x)) } },
      /^image 1 has the value 1.5: attacks work on pixels in \[0, 1\]/,
    ],
    [
      'pixels that are no numbers',
      {
        images: { ...images, data: images.data.map((x, i) => (i === 0 ? Number.NaN : x)) },
        imageNumbers: [7, 1, 2, 3, 4, 5, 6],
      },
      /^image 7 has the value NaN/,
    ],
    ['ε below 0', { epsilon: -0.1 }, /^epsilon must be 0 or more, not -0.1$/],
    ['ε not a number', { epsilon: Number.NaN }, /^epsilon must be 0 or more, not NaN$/],
    ['endless ε', { epsilon: Number.POSITIVE_INFINITY }, /^epsilon must be 0 or more, not Infinity$/],
    ['step size below 0', { stepSize: -1 }, /^the step size must be 0 or more, not -1$/],
    ['half a step', { steps: 1.5 }, /^the number of steps must be a whole number, 0 or more, not 1.5$/],
    ['too few radii', { epsilon: [1] }, /^7 images were given with 1 values of epsilon$/],
    ['no batch', { batchSize: 0 }, /^the batch size must be a whole number, 1 or more, not 0$/],
    ['too few labels', { labels: [1] }, /^7 images were given with 1 labels$/],
    ['too few numbers', { imageNumbers: [1] }, /^7 images were given with 1 numbers$/],
    ['no such class', { labels: labels.map((k) => k + 1) }, /^class 5 is out of range: 'small' has classes 0 to 4$/],
    [
      'another size',
      { images: noiseImages(7, [2, 4, 4]) },
      /^images of shape \[7, 2, 4, 4\] do not fit 'small', which takes \[N, 2, 3, 4\]$/,
    ],
  ])('refuses %s', async (_, over, message) => {
    const refusal = await run(over).catch((error) => error);
    expect(refusal).toBeInstanceOf(UsageError);
    expect(refusal.message).toMatch(message);
  });
});

describe('tensors that stay with the engine', () => {
  const tracked = () => {
    const { runtime: watched, live } = trackTensors(runtime);
    return { live, classifier: new Classifier(classifier.description, watched) };
  };

  it.each(['last', 'worst'] as const)('are all released at the end (keep %s)', async (keep) => {
    const { live, classifier: watched } = tracked();
    await optimizeInput(watched, options({ keep, randomStart: true, batchSize: 3 }));
    expect(live.size).toBe(0);
  });

  it.each(['last', 'worst'] as const)('are all released after an abort and after an error (keep %s)', async (keep) => {
    const { live, classifier: watched } = tracked();
    const stop = new AbortController();
    const work = optimizeInput(
      watched,
      options({
        keep,
        signal: stop.signal,
        onStep: ({ step }) => (step === 2 ? stop.abort(new Error('enough')) : undefined),
      }),
    );
    await expect(work).rejects.toThrow('enough');
    expect(live.size).toBe(0);
    const failing = optimizeInput(watched, options({ keep, onStep: () => Promise.reject(new Error('full disk')) }));
    await expect(failing).rejects.toThrow('full disk');
    expect(live.size).toBe(0);
  });

  it('are all released when one of them cannot be placed', async () => {
    for (const failing of [1, 2]) {
      const { runtime: watched, live } = trackTensors(runtime);
      let uploads = 0;
      const full: Runtime = {
        ...watched,
        upload: (tensor) => (++uploads === failing ? Promise.reject(new Error('no memory')) : watched.upload(tensor)),
      };
      const work = optimizeInput(new Classifier(classifier.description, full), options({ batchSize: 4 }));
      await expect(work).rejects.toThrow('no memory');
      expect(live.size).toBe(0);
    }
  });

  it('does not begin when it was stopped before', async () => {
    const { live, classifier: watched } = tracked();
    let steps = 0;
    const onStep = () => {
      steps += 1;
    };
    await expect(
      optimizeInput(watched, options({ signal: AbortSignal.abort(new Error('no')), onStep })),
    ).rejects.toThrow('no');
    expect([steps, live.size]).toEqual([0, 0]);
  });
});
