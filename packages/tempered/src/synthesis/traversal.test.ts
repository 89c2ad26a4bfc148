import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { Classifier } from '../models/classifier.ts';
import { affineModel } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows } from '../tensor.ts';
import { traverse } from './traversal.ts';

let runtime: Runtime;
let classifier: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  // The weights of class 1 have length 5.
  classifier = new Classifier(
    affineModel(
      [1, 1, 2],
      [
        [1, 0],
        [3, 4],
      ],
    ),
    runtime,
  );
});
afterAll(() => runtime.close());

const image = { shape: [1, 1, 1, 2], data: Float32Array.of(0.1, 0.1) };

describe('traverse', () => {
  it('walks along the weights of a linear classifier and records every step', async () => {
    const { frames, history } = await traverse(classifier, { image, target: 1, stepSize: 0.05, steps: 4 });
    expect(frames.shape).toEqual([5, 1, 1, 2]);
    history.forEach((record, i) => {
      expect([...rows(frames, i, i + 1).data]).toEqual(
        [0.1 + 0.03 * i, 0.1 + 0.04 * i].map((value) => expect.closeTo(value, 6)),
      );
      const logit = 0.7 + 0.25 * i;
      expect(record.step).toBe(i);
      expect(record.logit).toBeCloseTo(logit, 5);
      expect(record.probability).toBeCloseTo(1 / (1 + Math.exp(0.1 + 0.03 * i - logit)), 5);
      expect(record.prediction).toBe(1);
      expect(record.distance).toBeCloseTo(0.05 * i, 6);
    });
  });

  it('keeps a frame every so many steps, the first and the last', async () => {
    const frames = async (steps: number, every: number) =>
      (await traverse(classifier, { image, target: 1, steps, every, stepSize: 0.01 })).history.map(({ step }) => step);
    expect(await frames(10, 4)).toEqual([0, 4, 8, 10]);
    expect(await frames(8, 4)).toEqual([0, 4, 8]);
    expect(await frames(2, 5)).toEqual([0, 2]);
    expect(await frames(0, 5)).toEqual([0]);
  });

  it('stays in the ball, or in [0, 1] where there is none', async () => {
    const near = await traverse(classifier, { image, target: 1, epsilon: 0.2, steps: 20 });
    expect(near.history.at(-1)!.distance).toBeCloseTo(0.2, 5);
    const far = await traverse(classifier, { image, target: 1, steps: 100 });
    expect([...rows(far.frames, 100, 101).data]).toEqual([1, 1]);
    const square = await traverse(classifier, { image, target: 1, norm: 'linf', epsilon: 0.3, steps: 20 });
    expect([...rows(square.frames, 20, 21).data]).toEqual([0.4, 0.4].map((value) => expect.closeTo(value, 6)));
  });

  it('refuses what does not fit, and stops when asked', async () => {
    const walk = (over: object) => traverse(classifier, { image, target: 1, steps: 2, ...over });
    for (const over of [
      { target: 2 },
      { every: 0 },
      { every: 1.5 },
      { image: { shape: [2, 1, 1, 2], data: new Float32Array(4) } },
    ]) {
      await expect(walk(over)).rejects.toThrow(UsageError);
    }
    await expect(walk({ signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no');
  });
});
