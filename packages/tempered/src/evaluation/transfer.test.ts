import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pgd } from '../attacks/pgd.ts';
import { fromArrays } from '../data/dataset.ts';
import { Classifier } from '../models/classifier.ts';
import { affineModel } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { transferMatrix } from './transfer.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

/** Two pixels; the classes are told apart by the sign of weight · (x − ½). */
const threshold = (weight: readonly [number, number], classes = ['dark', 'light']) => {
  const bias = (weight[0] + weight[1]) / 2;
  const model = affineModel([1, 1, 2], [weight.map((w) => -w), weight], [bias, -bias]);
  return new Classifier({ ...model, classes }, runtime);
};

const dataset = fromArrays({
  name: 'pairs',
  split: 'test',
  classes: ['dark', 'light'],
  imageShape: [1, 1, 2],
  pixels: Float32Array.of(0.25, 0.25, 0.75, 0.75, 0.375, 0.375, 0.625, 0.625),
  labels: [0, 1, 0, 1],
});
const options = { dataset, attack: pgd({ steps: 4, randomStart: false }), epsilon: 0.1875 };

describe('transferMatrix', () => {
  it('has white-box accuracy on its diagonal, and what an attack on one pixel does to the other beside it', async () => {
    const [first, both] = [threshold([1, 0]), threshold([0.25, 1])];
    const accuracies = (await transferMatrix([first, both], options)).map((row) => row.map((each) => each.accuracy));
    // Margins are 0.25 and 0.125 along every pixel: two images fall to an attack on the model itself. An attack on the
    // first pixel alone moves the second model by a fifth of what its own attack does: too little.
    expect(accuracies).toEqual([
      [0.5, 1],
      [0.5, 0.5],
    ]);
  });

  it.each([
    ['another order', ['light', 'dark'], /in different orders/],
    ['another number', ['dark', 'light', 'grey'], /2 and 3 classes apart/],
  ])('refuses models with classes in %s before any attack', async (_, classes, message) => {
    const other =
      classes.length === 2
        ? threshold([1, 0], classes)
        : new Classifier(
            {
              ...affineModel(
                [1, 1, 2],
                [
                  [1, 0],
                  [0, 1],
                  [1, 1],
                ],
              ),
              classes,
            },
            runtime,
          );
    const remember = () => Promise.reject(new Error('an attack was run'));
    await expect(transferMatrix([threshold([1, 0]), other], { ...options, remember })).rejects.toThrow(message);
  });
});
