/** RISE against sums over all its masks, made by another resampler. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resize } from '../../image/resample.ts';
import { Classifier } from '../../models/classifier.ts';
import { predictLogits } from '../../models/predict.ts';
import { modelOf, networkModel, noiseImages } from '../../models/testing/small-models.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { attribute } from '../attribute.ts';
import { type RiseNormalisation, rise } from './rise.ts';

const SHAPE = [2, 4, 5];
const CELLS = 2;
const image = noiseImages(1, SHAPE, 4);

let runtime: Runtime;
let network: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  network = new Classifier(networkModel({ inputShape: SHAPE, classes: 3, activation: 'Tanh', bias: true }), runtime);
});
afterAll(() => runtime.close());

/** Every mask of 2 × 2 cells on 4 × 5 pixels with its probability: a cell is 2 × 3 pixels, the enlarged grid 6 × 9. */
function allMasks(probability: number): { mask: Float32Array; chance: number }[] {
  return Array.from({ length: 16 }, (_, bits) => {
    const cells = Float32Array.from({ length: 4 }, (_, cell) => (bits >> cell) & 1);
    const on = cells.reduce((a, b) => a + b, 0);
    const { data } = resize({ shape: [1, CELLS, CELLS], data: cells }, 6, 9);
    return [0, 1].flatMap((down) =>
      [0, 1, 2].map((right) => ({
        mask: Float32Array.from({ length: 20 }, (_, p) => data[(Math.floor(p / 5) + down) * 9 + (p % 5) + right]!),
        chance: (probability ** on * (1 - probability) ** (4 - on)) / 6,
      })),
    );
  }).flat();
}

/** The expected map, and the variance of one mask's share of it. */
async function expectation(probability: number, normalisation: RiseNormalisation) {
  const map = new Float64Array(20);
  const squares = new Float64Array(20);
  const shares: { share: Float64Array; chance: number; mask: Float32Array; value: number }[] = [];
  for (const { mask, chance } of allMasks(probability)) {
    const masked = image.data.map((value, i) => mask[i % 20]! * value + (1 - mask[i % 20]!));
    const value = (await predictLogits(network, { shape: image.shape, data: masked })).data[1]!;
    const share = Float64Array.from(mask, (shown) => (value * shown) / probability);
    shares.push({ share, chance, mask, value });
    share.forEach((s, p) => {
      map[p]! += chance * s;
    });
  }
  for (const { share, chance, mask, value } of shares)
    share.forEach((s, p) => {
      squares[p]! +=
        chance *
        (normalisation === 'expected' ? (s - map[p]!) ** 2 : ((value - map[p]!) * (mask[p]! / probability)) ** 2);
    });
  return { map, variance: squares };
}

describe.each<[RiseNormalisation, number]>([
  ['expected', 0.5],
  ['expected', 0.3],
  ['empirical', 0.5],
  ['empirical', 0.7],
])('with the %s sum of masks and probability %f', (normalisation, probability) => {
  it('is the mean over all masks, within the error that it states', async () => {
    const samples = 4000;
    const { map, variance } = await expectation(probability, normalisation);
    const { attributions, certificate, cost } = await attribute(network, {
      images: image,
      target: 1,
      method: rise({ samples, cells: CELLS, probability, normalisation, baseline: 'white' }),
    });
    expect(attributions.shape).toEqual([1, 1, 4, 5]);
    const errors = variance.map((one) => Math.sqrt(one / samples));
    attributions.data.forEach((value, p) => {
      expect(Math.abs(value - map[p]!)).toBeLessThan(4.5 * errors[p]!);
    });
    const stated = certificate!.standardError![0]! * Math.max(...attributions.data.map(Math.abs));
    const rms = Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length);
    expect(Math.abs(stated / rms - 1)).toBeLessThan(0.1);
    expect(cost.forwards).toBe(samples + 1);
  });
});

it.each([0.5, 0.3])(
  'with the expected sum of masks, it is not biased: the mean over seeds of few masks, at %f',
  async (probability) => {
    const { map, variance } = await expectation(probability, 'expected');
    const mean = new Float64Array(20);
    for (let seed = 0; seed < 100; seed++) {
      const method = rise({ samples: 10, cells: CELLS, probability, baseline: 'white' });
      const { attributions } = await attribute(network, { images: image, target: 1, seed, method });
      for (const [p, value] of attributions.data.entries()) mean[p]! += value / 100;
    }
    for (const [p, value] of mean.entries())
      expect(Math.abs(value - map[p]!)).toBeLessThan(4.5 * Math.sqrt(variance[p]! / 1000));
  },
);

it('a weighted mean of a constant is that constant, without error', async () => {
  const constant = modelOf([1, 6, 6], 2, (g, x) => {
    const zero = g.unsqueeze(g.scale(g.reduceSum(x, [1, 2, 3]), 0), [1]);
    return g.rename(g.concat([g.offset(zero, 7), zero], 1), 'logits');
  });
  const { attributions, certificate } = await attribute(new Classifier(constant, runtime), {
    images: noiseImages(1, [1, 6, 6]),
    method: rise({ samples: 60, cells: 3, normalisation: 'empirical' }),
    target: 0,
  });
  expect(Math.max(...attributions.data.map((value) => Math.abs(value - 7)))).toBeLessThan(1e-5);
  expect(certificate!.standardError![0]).toBeLessThan(1e-6);
});
