/** @file Which pixels a map holds for the most relevant. */
import { createRandom } from '../../random.ts';
import { type Tensor, zeros } from '../../tensor.ts';
import type { MeasureTask } from './measure.ts';

/**
 * One number a pixel: the sum of its channels' attributions, or of their magnitudes.
 *
 * @param attributions [N, C, H, W]
 * @returns [N, 1, H, W]
 */
export function pixelRelevance({ shape, data }: Tensor, ranking: MeasureTask['ranking']): Tensor {
  const [count = 0, channels = 1, height = 1, width = 1] = shape;
  const area = height * width;
  const result = zeros([count, 1, height, width]);
  for (let n = 0; n < count; n++) {
    const sums = result.data.subarray(n * area, (n + 1) * area);
    for (let c = 0; c < channels; c++) {
      const plane = data.subarray((n * channels + c) * area, (n * channels + c + 1) * area);
      for (let p = 0; p < area; p++) sums[p]! += ranking === 'signed' ? plane[p]! : Math.abs(plane[p]!);
    }
  }
  return result;
}

/**
 * The place of each pixel when the most relevant come first: 0, 1, 2 ... Pixels in a square of the grid of `region`
 * pixels a side share the place of their square, by the mean relevance in it. Ties, of which maps with zeros have many,
 * are broken at random, by (seed, image number): in file order they would go row by row.
 *
 * @returns places [N, 1, H, W], and how many there are
 */
export function pixelPlaces(
  task: Pick<MeasureTask, 'attributions' | 'ranking' | 'seed' | 'imageNumbers'>,
  region = 1,
): { places: Tensor; count: number } {
  const relevance = pixelRelevance(task.attributions, task.ranking);
  const [images = 0, , height = 1, width = 1] = relevance.shape;
  const columns = Math.ceil(width / region);
  const count = Math.ceil(height / region) * columns;
  const places = zeros(relevance.shape);
  const area = height * width;
  const regionOf = Uint32Array.from(
    { length: area },
    (_, p) => Math.floor(Math.floor(p / width) / region) * columns + Math.floor((p % width) / region),
  );
  for (let n = 0; n < images; n++) {
    const [sums, sizes] = [new Float64Array(count), new Float64Array(count)];
    for (let p = 0; p < area; p++) {
      sums[regionOf[p]!]! += relevance.data[n * area + p]!;
      sizes[regionOf[p]!]! += 1;
    }
    const means = sums.map((sum, r) => sum / sizes[r]!);
    // The sort is stable: equal means stay in the random order.
    const order = createRandom(task.seed, 'ties', task.imageNumbers[n]!)
      .shuffle(count)
      .sort((a, b) => means[b]! - means[a]!);
    const place = new Float32Array(count);
    order.forEach((r, k) => {
      place[r] = k;
    });
    for (let p = 0; p < area; p++) places.data[n * area + p] = place[regionOf[p]!]!;
  }
  return { places, count };
}
