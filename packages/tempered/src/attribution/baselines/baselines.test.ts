import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../../models/classifier.ts';
import { affineModel, noiseImages } from '../../models/testing/small-models.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { rows, type Tensor } from '../../tensor.ts';
import { attribute } from '../attribute.ts';
import { edges } from './edges.ts';
import { randomAttribution } from './random.ts';

let runtime: Runtime;
let classifier: Classifier;
const SHAPE = [2, 5, 6];
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  classifier = new Classifier(affineModel(SHAPE, [Array.from({ length: 60 }, (_, i) => Math.cos(i))]), runtime);
});
afterAll(() => runtime.close());

describe('random attributions', () => {
  const explain = (images: Tensor, options = {}) =>
    attribute(classifier, { images, method: randomAttribution(), target: 0, ...options });

  it('are uniform, one a pixel, and those of an image in its data set', async () => {
    const images = noiseImages(200, SHAPE);
    const { attributions, output } = await explain(images);
    expect(attributions.shape).toEqual([200, 1, 5, 6]);
    const { data } = attributions;
    expect(data.every((value) => value >= 0 && value < 1)).toBe(true);
    const mean = data.reduce((a, b) => a + b, 0) / data.length;
    const square = data.reduce((a, b) => a + b * b, 0) / data.length;
    // Six standard errors of 6000 uniform numbers.
    expect(Math.abs(mean - 1 / 2)).toBeLessThan(6 * Math.sqrt(1 / 12 / data.length));
    expect(Math.abs(square - 1 / 3)).toBeLessThan(6 * Math.sqrt(4 / 45 / data.length));
    const later = await explain(rows(images, 7, 9), { imageNumbers: [7, 8], batchSize: 1 });
    expect(later.attributions.data).toEqual(rows(attributions, 7, 9).data);
    expect((await explain(images, { seed: 1 })).attributions.data).not.toEqual(data);
    expect(output[3]).toBeCloseTo(
      rows(images, 3, 4).data.reduce((sum, x, i) => sum + x * Math.cos(i), 0),
      4,
    );
  });

  it('are none of a layer', async () => {
    await expect(explain(noiseImages(1, SHAPE), { layer: 'logits' })).rejects.toThrow(
      /^random explains the input: it has no form for the layer 'logits'/,
    );
  });
});

describe('edges', () => {
  const explain = (images: Tensor, options = {}) =>
    attribute(classifier, { images, method: edges(), target: 0, ...options });
  const imageOf = (value: (y: number, x: number, c: number) => number): Tensor => ({
    shape: [1, ...SHAPE],
    data: Float32Array.from({ length: 60 }, (_, i) => value(Math.floor(i / 6) % 5, i % 6, Math.floor(i / 30))),
  });

  it.each<[string, (y: number, x: number, c: number) => number, (y: number, x: number) => number]>([
    ['of one colour are none', (_y, _x, c) => 0.3 + 0.4 * c, () => 0],
    // Eight times the slope; half of it at the border, which is repeated.
    ['of a ramp are its slope', (_, x) => 0.1 * x, (_, x) => (x === 0 || x === 5 ? 0.4 : 0.8)],
    [
      'go along both axes, in the mean over the channels',
      (y, x, c) => (c === 0 ? 0.06 * x : 0.08 * y),
      (y, x) => Math.hypot(x % 5 === 0 ? 0.12 : 0.24, y % 4 === 0 ? 0.16 : 0.32),
    ],
  ])('%s', async (_, value, expected) => {
    const { attributions } = await explain(imageOf(value));
    expect(attributions.shape).toEqual([1, 1, 5, 6]);
    for (const [i, found] of attributions.data.entries())
      expect(found).toBeCloseTo(expected(Math.floor(i / 6), i % 6), 5);
  });

  it('are none of a layer or a vector', async () => {
    await expect(explain(noiseImages(1, SHAPE), { layer: 'logits' })).rejects.toThrow(
      /^edges explains the input: it has no form for the layer 'logits'/,
    );
    const vector = new Classifier(affineModel([3], [[1, 2, 3]]), runtime);
    const images = noiseImages(1, [3]);
    await expect(attribute(vector, { images, method: edges() })).rejects.toThrow(/^only images have edges/);
  });
});
