import { afterAll, beforeAll, expect, it } from 'vitest';
import { plainGradient } from '../../attribution/gradient.ts';
import { fromArrays } from '../../data/dataset.ts';
import { createModel } from '../../models/architectures/index.ts';
import { createRandom } from '../../random.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { labelRandomisation, withPermutedLabels } from './label-randomisation.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const CLASSES = ['left', 'right', 'none'];

/** Noise that is brighter on the left, on the right, or nowhere. */
function halves(split: string, count: number) {
  const random = createRandom(7, split);
  const pixels = new Float32Array(count * 64);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 3);
  for (let i = 0; i < pixels.length; i++) {
    const [label, isLeft] = [labels[Math.floor(i / 64)], i % 8 < 4];
    pixels[i] = 0.5 * random.uniform() + ((label === 0 && isLeft) || (label === 1 && !isLeft) ? 0.5 : 0.2);
  }
  return fromArrays({ name: 'halves', split, classes: CLASSES, imageShape: [1, 8, 8], pixels, labels });
}

it('permuted labels are the same labels for the same images in another order', () => {
  const dataset = halves('train', 300);
  const permuted = withPermutedLabels(dataset, 1);
  const all = Uint32Array.from({ length: 300 }, (_, i) => i);
  const [before, after] = [dataset.batch(all), permuted.batch(all)];
  expect(after.images.data).toEqual(before.images.data);
  expect([...after.labels].sort()).toEqual([...before.labels].sort());
  const same = after.labels.filter((label, i) => label === before.labels[i]).length;
  expect(same).toBeLessThan(150);
  expect(permuted.batch([17, 4]).labels).toEqual(Int32Array.of(after.labels[17]!, after.labels[4]!));
  expect(withPermutedLabels(dataset, 2).batch(all).labels).not.toEqual(after.labels);
  expect(permuted.note).toBe('labels in random order');
});

it('a network that learned random labels by heart is at chance on the test, and has other maps', async () => {
  const { trueLabels, permutedLabels, similarity, count } = await labelRandomisation({
    training: {
      runtime,
      model: createModel({ architecture: 'small-cnn', inputShape: [1, 8, 8], classes: CLASSES, seed: 1 }),
      dataset: halves('train', 60),
      epochs: 60,
      batchSize: 20,
      learningRate: 0.1,
    },
    test: halves('test', 90),
    count: 30,
    methods: { gradient: plainGradient() },
  });
  expect(count).toBe(30);
  expect(trueLabels.testAccuracy).toMatchObject({ count: 90 });
  expect(trueLabels.testAccuracy.accuracy).toBeGreaterThan(0.9);
  expect(permutedLabels.trainingAccuracy.accuracy).toBeGreaterThan(0.8);
  expect(permutedLabels.testAccuracy.accuracy).toBeLessThan(0.6);
  expect(similarity.gradient!.spearman!.mean).toBeLessThan(0.5);
}, 30_000);

it('needs a method', async () => {
  const model = createModel({ architecture: 'small-cnn', inputShape: [1, 8, 8], classes: CLASSES });
  const training = { runtime, model, dataset: halves('train', 60), epochs: 1, batchSize: 20 };
  await expect(labelRandomisation({ training, test: halves('test', 9), methods: {} })).rejects.toThrow(/a method/);
});
