import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pgd } from '../attacks/pgd.ts';
import { fromArrays } from '../data/dataset.ts';
import { Classifier } from '../models/classifier.ts';
import { affineModel } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { attackEach, ledgerCsv } from './ledger.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

/** Light from one half on; the classes come in the other order than the model's, and the last image is wrong. */
const dataset = fromArrays({
  name: 'greys',
  split: 'test',
  classes: ['light', 'dark'],
  imageShape: [1, 1, 1],
  pixels: Float32Array.of(0.25, 0.75, 0.375, 1),
  labels: [1, 0, 1, 1],
});

describe('attackEach', () => {
  it('tells what becomes of each image, in the order and with the classes asked for', async () => {
    const model = { ...affineModel([1, 1, 1], [[-1], [1]], [0.5, -0.5]), classes: ['dark', 'light'] };
    const seen: number[] = [];
    const ledger = await attackEach(new Classifier(model, runtime), {
      dataset,
      attack: pgd({ steps: 4, randomStart: false }),
      epsilons: [0, 0.1875, 0.3125],
      onEpsilon: ({ epsilon }) => seen.push(epsilon),
    });
    expect(seen).toEqual([0, 0.1875, 0.3125]);
    expect([...ledger.labels]).toEqual([0, 1, 0, 0]);
    expect([...ledger.natural]).toEqual([0, 1, 0, 1]);
    // Distances to one half are 0.25, 0.25 and 0.125; the image that is wrong is left alone.
    expect(ledger.underAttack.map(({ predictions }) => [...predictions])).toEqual([
      [0, 1, 0, 1],
      [0, 1, 1, 1],
      [1, 0, 1, 1],
    ]);
    expect(ledgerCsv(ledger).split('\n').slice(0, 6)).toEqual([
      'image,label,natural,epsilon,prediction,distance',
      '0,0,0,0,0,0',
      '1,1,1,0,1,0',
      '2,0,0,0,0,0',
      '3,0,1,0,1,0',
      '0,0,0,0.1875,0,0.1875',
    ]);
  });
});
