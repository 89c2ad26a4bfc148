import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gradientTimesInput } from '../../attribution/gradient.ts';
import { fromArrays } from '../../data/dataset.ts';
import { Classifier } from '../../models/classifier.ts';
import { affineModel, noiseImages } from '../../models/testing/small-models.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { estimateMean, type MeanEstimate } from '../../statistics.ts';
import type { Tensor } from '../../tensor.ts';
import { gradientAlignment, imageAlignment, imageCosineKind, objectAlignment } from './alignment.ts';
import { giniIndex } from './concentration.ts';
import { attributionSparsity } from './gradient-sparsity.ts';

const tensor = (shape: number[], values: number[]): Tensor => ({ shape, data: Float32Array.from(values) });

let runtime: Runtime;
let classifier: Classifier;
const weights = [Array.from({ length: 16 }, (_, i) => (i < 4 ? 5 : 1)), new Array<number>(16).fill(-1)];
const classes = ['a', 'b'];
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  classifier = new Classifier({ ...affineModel([1, 4, 4], weights), classes }, runtime);
});
afterAll(() => runtime.close());

describe('Gini index', () => {
  it.each([
    ['all equal', [2, 2, 2, 2], 0],
    ['one holds everything', [0, 0, 4, 0], 0.75],
    // By table I of Hurley and Rickard: 1 − 2 (1/10 · 3.5/4 + 2/10 · 2.5/4 + 3/10 · 1.5/4 + 4/10 · 0.5/4).
    ['one to four', [4, 1, 3, 2], 0.25],
  ])('%s', (_, values, expected) => expect(giniIndex(values)).toBeCloseTo(expected, 12));

  it('does not depend on scale or copies, and of zeros is no number', () => {
    const values = Array.from(noiseImages(1, [50]).data);
    expect(giniIndex(values.map((v) => 7 * v))).toBeCloseTo(giniIndex(values), 12);
    expect(giniIndex([...values, ...values])).toBeCloseTo(giniIndex(values), 12);
    expect(giniIndex([0, 0])).toBeNaN();
  });

  it('of a batch is that of each image', () =>
    expect([...attributionSparsity(tensor([2, 1, 2, 2], [1, -1, 1, 1, 0, 0, 0, -9]))]).toEqual([0, 0.75]));
});

describe('alignment with the object', () => {
  const mask = tensor([1, 1, 2, 3], [1, 1, 0, 0, 0, 0]);

  it.each([
    ['the object alone', [2, -3, 0, 0, 0, 0], 1, 1],
    ['everything but the object', [0, 0, 1, 1, 1, 1], 0, 0],
    ['the same everywhere', [1, 1, -1, 1, 1, 1], 1 / 3, 0.5],
    // 4 of the 8 pairs of a pixel on the object and one beside it are in order, and one is a tie.
    ['part of it', [3, 1, 2, 1, 0, 4], 4 / 11, 4.5 / 8],
  ])('of a map on %s', (_, values, share, auc) => {
    const found = objectAlignment(tensor([1, 1, 2, 3], values), mask);
    expect(found.share[0]).toBeCloseTo(share, 6);
    expect(found.area[0]).toBeCloseTo(1 / 3, 6);
    expect(found.auc[0]).toBeCloseTo(auc, 12);
  });

  it('counts magnitudes over the channels, and pairs one by one', () => {
    const maps = noiseImages(3, [2, 5, 5], 4);
    const masks = tensor(
      [3, 1, 5, 5],
      [...noiseImages(3, [1, 5, 5], 5).data].map((v) => Math.round(v)),
    );
    const { auc } = objectAlignment(maps, masks);
    for (let n = 0; n < 3; n++) {
      const score = (p: number) => maps.data[n * 50 + p]! + maps.data[n * 50 + 25 + p]!;
      const [inside, outside]: [number[], number[]] = [[], []];
      for (let p = 0; p < 25; p++) (masks.data[n * 25 + p] === 1 ? inside : outside).push(p);
      const wins = inside.flatMap((i) => outside.map((o) => Number(score(i) > score(o))));
      expect(auc[n]).toBeCloseTo(wins.reduce((a, b) => a + b, 0) / wins.length, 12);
    }
  });

  it('with an empty mask is no number', () =>
    expect(objectAlignment(mask, tensor([1, 1, 2, 3], [0, 0, 0, 0, 0, 0])).auc[0]).toBeNaN());
});

describe('alignment with the image', () => {
  it('of a linear classifier is the distance to the boundary', () => {
    const weight = [1, -2, 2, 0];
    const images = noiseImages(5, [1, 2, 2], 8);
    const gradients = tensor([5, 1, 2, 2], Array.from({ length: 5 }, () => weight).flat());
    const { alignment, cosine } = imageAlignment(images, gradients);
    for (let n = 0; n < 5; n++) {
      const x = images.data.subarray(4 * n, 4 * n + 4);
      const product = weight.reduce((sum, w, i) => sum + w * x[i]!, 0);
      expect(alignment[n]).toBeCloseTo(Math.abs(product) / 3, 6);
      expect(cosine[n]).toBeCloseTo(product / 3 / Math.hypot(...x), 6);
    }
  });

  it('of maps without channels is that with the sum over the channels of the image', async () => {
    const images = noiseImages(2, [3, 4, 4]);
    const attributions = noiseImages(2, [1, 4, 4], 3);
    const task = { images, attributions, targets: new Int32Array(2), seed: 0, imageNumbers: [0, 1], batchSize: 2 };
    const reading = { ranking: 'signed', scale: 'global' } as const;
    const cosines = await imageCosineKind.score({ ...task, ...reading, classifier }, { name: 'image-cosine' });
    const grey = { shape: [2, 1, 4, 4], data: new Float32Array(32) };
    images.data.forEach((value, i) => {
      grey.data[Math.floor(i / 48) * 16 + (i % 16)]! += value;
    });
    expect(cosines).toEqual(imageAlignment(grey, attributions).cosine);
  });

  it('is no number without a gradient', () => {
    const { alignment, cosine } = imageAlignment(tensor([1, 2], [1, 1]), tensor([1, 2], [0, 0]));
    expect([alignment[0], cosine[0]]).toEqual([Number.NaN, Number.NaN]);
  });
});

describe('over a data set', () => {
  const masks = Uint8Array.from({ length: 30 * 16 }, (_, i) => Number(i % 16 < 4));
  const arrays = {
    name: 'noise',
    split: 'test',
    classes,
    imageShape: [1, 4, 4] as const,
    pixels: noiseImages(30, [1, 4, 4]).data,
    labels: new Array<number>(30).fill(0),
  };
  const rowsOfWeights = tensor([30, 16], Array.from({ length: 30 }, () => weights[0]!).flat());
  const close = ({ mean, lower, upper }: MeanEstimate) => ({
    mean: expect.closeTo(mean, 5),
    lower: expect.closeTo(lower, 5),
    upper: expect.closeTo(upper, 5),
  });

  it('has the closed form of a linear classifier, whatever the batch size', async () => {
    for (const batchSize of [1, 30]) {
      const found = await gradientAlignment(classifier, { dataset: fromArrays({ ...arrays, masks }), batchSize });
      expect(found.objectShare!.mean).toBeCloseTo(20 / 32, 6);
      expect(found.objectArea!.mean).toBeCloseTo(0.25, 6);
      expect(found.objectAuc).toMatchObject({ mean: 1, lower: 1, upper: 1 });
      expect(found.sparsity!.mean).toBeCloseTo(giniIndex(weights[0]!), 6);
      const { alignment, cosine } = imageAlignment({ shape: [30, 16], data: arrays.pixels }, rowsOfWeights);
      expect(found.imageAlignment).toMatchObject(close(estimateMean(alignment)));
      expect(found.imageCosine).toMatchObject(close(estimateMean(cosine)));
    }
  });

  it('leaves out what needs masks where there are none, and takes other methods', async () => {
    const found = await gradientAlignment(classifier, { dataset: fromArrays(arrays), method: gradientTimesInput() });
    expect(found).not.toHaveProperty('objectAuc');
    expect(found.count).toBe(30);
  });
});
