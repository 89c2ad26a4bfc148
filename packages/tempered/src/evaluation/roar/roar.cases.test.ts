/** The ranking of the reference code of Hooker et al. 2019: every channel of a pixel by itself, squared or signed. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromArrays } from '../../data/dataset.ts';
import { createRandom } from '../../random.ts';
import { bandsByRank, replacedIn } from './bands.ts';
import { heatMap } from './heat-map.ts';
import { occluded } from './occlusion.ts';

const FILE = '../shared/fixtures/attribution-cases.json';
const present = existsSync(FILE);

/** Rows, columns, channels. */
type Image<T> = T[][][];

interface Case {
  id: string;
  method: string;
  input: { image_HWC: Image<number>; saliency_HWC: Image<number> };
  params: { thresholdPercent: number; squared: boolean; mean: number[]; k: number };
  expected: { image_HWC: Image<number>; modified: Image<boolean> };
}

const cases: Case[] = present
  ? JSON.parse(readFileSync(FILE, 'utf8')).cases.filter(({ id }: Case) => id.startsWith('roar/'))
  : [];

/** [H, W, C] to planes. */
const planar = <T>(image: Image<T>): T[] =>
  image[0]![0]!.flatMap((_, channel) => image.flatMap((row) => row.map((pixel) => pixel[channel]!)));

describe.skipIf(!present)(`published rankings (skipped where ${FILE} is absent)`, () => {
  it('are two', () => expect(cases).toHaveLength(2));

  it.each(cases.map((each) => [each.id, each] as const))('%s', (_, { method, input, params, expected }) => {
    const channels = params.mean.length;
    const shape = [channels, input.image_HWC.length, input.image_HWC[0]!.length] as const;
    const map = heatMap(
      planar(input.saliency_HWC),
      channels,
      params.squared ? 'sub-pixel-squared' : 'sub-pixel-signed',
    );
    const bands = bandsByRank(map, [params.thresholdPercent], createRandom(0));
    const marks = replacedIn(bands, method === 'ROAR.degrade' ? 'roar' : 'kar', 0);
    const replaced = marks.reduce((a, b) => a + b, 0);
    expect(replaced).toBe(method === 'ROAR.degrade' ? params.k : marks.length - params.k);
    expect([...marks]).toEqual(planar(expected.modified).map(Number));
    const pixels = Float32Array.from(planar(input.image_HWC));
    const image = fromArrays({ name: 'one', split: 'test', classes: ['a'], imageShape: shape, pixels, labels: [0] });
    const found = occluded(image, marks, params.mean).batch([0]).images.data;
    // Images are in single precision; the colours are exact.
    expect(found).toEqual(Float32Array.from(planar(expected.image_HWC)));
  });
});
