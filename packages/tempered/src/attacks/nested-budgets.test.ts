/** @file A longer run finds, image by image, whatever a shorter one finds: on published models. */
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseIdx } from '../data/idx.ts';
import { Classifier } from '../models/classifier.ts';
import { readModel } from '../models/load.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { perturb } from './attack.ts';
import { fgsm } from './fgsm.ts';
import { pgd } from './pgd.ts';

const shared = new URL('../../../../../shared/', import.meta.url);
const COUNT = 16;

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const read = (name: string) => parseIdx(gunzipSync(readFileSync(new URL(`data/mnist/${name}.gz`, shared)))).data;

describe.skipIf(!existsSync(shared))('on MNIST (needs ../shared)', () => {
  it.each([
    ['mnist-small-normal', 0.1],
    ['mnist-small-trades', 0.4],
  ])('%s, ε %f: PGD-12 finds what PGD-5 finds, and that what FGSM finds', async (model, epsilon) => {
    const classifier = new Classifier(readModel(readFileSync(new URL(`models/${model}.onnx`, shared))), runtime);
    const pixels = read('t10k-images-idx3-ubyte').subarray(0, COUNT * 784);
    const images = { shape: [COUNT, 1, 28, 28], data: Float32Array.from(pixels, (value) => value / 255) };
    const labels = Int32Array.from(read('t10k-labels-idx1-ubyte').subarray(0, COUNT));
    const stepSize = epsilon / 5;
    const attacks = [fgsm(), ...[5, 12].map((steps) => pgd({ steps, stepSize, keep: 'first' }))];
    let before: Uint8Array = new Uint8Array(COUNT);
    for (const attack of attacks) {
      const { success } = await perturb(classifier, attack, { images, labels, epsilon });
      expect(success.filter((flag, i) => flag < before[i]!)).toHaveLength(0);
      before = success;
    }
    expect(before.reduce((a, b) => a + b, 0)).toBeGreaterThan(0);
  });
});
