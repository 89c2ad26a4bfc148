import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseNpy } from '../data/npy.ts';
import { UsageError } from '../errors.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { Classifier } from './classifier.ts';
import { readModel } from './load.ts';
import { argmaxRows, predict, predictLogits, ranksOf, softmaxRows } from './predict.ts';
import { affineModel, noiseImages } from './testing/small-models.ts';

let runtime: Runtime;
let classifier: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  classifier = new Classifier(
    affineModel(
      [1, 2, 2],
      [
        [1, 2, 3, 4],
        [-1, 0, 0, 1],
      ],
      [0.5, -0.5],
    ),
    runtime,
  );
});
afterAll(() => runtime.close());

describe('predictLogits', () => {
  const images = noiseImages(7, [1, 2, 2]);

  it('is the affine map', async () => {
    const { shape, data } = await predictLogits(classifier, images);
    expect(shape).toEqual([7, 2]);
    for (let i = 0; i < 7; i++) {
      const [a, b, c, d] = [0, 1, 2, 3].map((p) => images.data[i * 4 + p]!);
      expect(data[i * 2]).toBeCloseTo(a! + 2 * b! + 3 * c! + 4 * d! + 0.5, 5);
      expect(data[i * 2 + 1]).toBeCloseTo(d! - a! - 0.5, 5);
    }
  });

  it('is the same for any batch size, and reports its progress', async () => {
    const whole = await predictLogits(classifier, images);
    for (const batchSize of [1, 3, 50]) {
      const done: number[] = [];
      const part = await predictLogits(classifier, images, {
        batchSize,
        onProgress: (progress) => done.push(progress.done),
      });
      expect(part.data).toEqual(whole.data);
      expect(done.at(-1)).toBe(7);
    }
  });

  it('takes no images at all', async () => {
    expect((await predictLogits(classifier, noiseImages(0, [1, 2, 2]))).shape).toEqual([0, 2]);
    expect(await predict(classifier, noiseImages(0, [1, 2, 2]))).toHaveLength(0);
  });

  it('refuses images of another size, impossible batches, and stops when asked', async () => {
    await expect(predictLogits(classifier, noiseImages(2, [1, 2, 3]))).rejects.toThrow(UsageError);
    await expect(predictLogits(classifier, images, { batchSize: 2.5 })).rejects.toThrow(
      /batch size must be a whole number/,
    );
    await expect(predictLogits(classifier, images, { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow(
      'no',
    );
  });
});

it('argmaxRows takes the first of equals', () => {
  expect([...argmaxRows({ shape: [3, 3], data: Float32Array.of(0, 2, 1, 5, 5, 5, -3, -2, -2) })]).toEqual([1, 0, 1]);
});

it('ranksOf is 0 exactly where argmaxRows gives the label', () => {
  const logits = { shape: [3, 3], data: Float32Array.of(0, 2, 1, 5, 5, 5, -3, -2, -2) };
  expect([0, 1, 2].map((k) => [...ranksOf(logits, [k, k, k])])).toEqual([
    [2, 0, 2],
    [0, 1, 0],
    [1, 2, 1],
  ]);
});

it('softmaxRows is stable', () => {
  const { data } = softmaxRows({ shape: [3, 2], data: Float32Array.of(0, Math.log(3), 1e4, -1e4, -1e4, -1e4) });
  expect([...data]).toEqual([0.25, 0.75, 1, 0, 0.5, 0.5].map((value) => expect.closeTo(value, 6)));
});

const FIXTURES = '../shared/fixtures/pytorch-gradients';
describe.skipIf(!existsSync(FIXTURES))(`against PyTorch (skipped where ${FIXTURES} is absent)`, () => {
  it.each(['small-cnn', 'smooth', 'vgg'])('%s', async (name) => {
    const file = (path: string) => join(FIXTURES, name, path);
    const { shape, data } = parseNpy(readFileSync(file('input.npy')), 'input');
    const model = new Classifier(readModel(readFileSync(file('model.onnx'))), runtime);
    const logits = await predictLogits(model, { shape, data: Float32Array.from(data, Number) }, { batchSize: 2 });
    const expected = Array.from(parseNpy(readFileSync(file('logits.npy')), 'logits').data, Number);
    const scale = Math.max(...expected.map(Math.abs));
    expect(Math.max(...expected.map((value, i) => Math.abs(value - logits.data[i]!))) / scale).toBeLessThan(1e-4);
  });
});
