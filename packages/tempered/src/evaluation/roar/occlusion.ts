/** @file Images with some of their pixels replaced by the mean of the training images. */
import { batches, type Dataset } from '../../data/dataset.ts';

/** Mean of each channel over all pixels of all images, in [0, 1]. */
export function channelMeans(dataset: Dataset): number[] {
  const [channels, height, width] = dataset.imageShape;
  const area = height * width;
  const sums = new Array<number>(channels).fill(0);
  for (const indices of batches(dataset, { batchSize: 500 })) {
    const { data } = dataset.batch(indices).images;
    for (let plane = 0; plane < indices.length * channels; plane++) {
      let sum = 0;
      for (let i = plane * area; i < (plane + 1) * area; i++) sum += data[i]!;
      sums[plane % channels]! += sum;
    }
  }
  return sums.map((sum) => sum / (dataset.count * area));
}

/** The value that is left of a colour in [0, 1] in an array of bytes: rounded down to whole 255ths. */
export const truncatedToByte = (value: number): number => Math.floor(255 * value) / 255;

/**
 * The data set with the pixels of each image that are marked replaced by a colour; images are made when they are asked for.
 *
 * @param replaced 1 where something is replaced: a value for each pixel, [n, H, W], or for each of its channels, [n, C, H, W]
 * @param fill one value a channel
 * @throws RangeError when sizes do not agree
 */
export function occluded(dataset: Dataset, replaced: Uint8Array, fill: readonly number[]): Dataset {
  const [channels, height, width] = dataset.imageShape;
  const area = height * width;
  const marks = replaced.length / dataset.count;
  if ((marks !== area && marks !== channels * area) || fill.length !== channels)
    throw new RangeError(
      `${dataset.name}: ${dataset.count} images of ${channels}x${height}x${width} cannot be occluded by ${replaced.length} marks and ${fill.length} colours`,
    );
  return {
    ...dataset,
    batch(indices) {
      const { images, labels } = dataset.batch(indices);
      const { data } = images;
      for (let row = 0; row < indices.length; row++) {
        const own = replaced.subarray(indices[row]! * marks, (indices[row]! + 1) * marks);
        for (let channel = 0; channel < channels; channel++) {
          const start = (row * channels + channel) * area;
          const offset = marks === area ? 0 : channel * area;
          const value = fill[channel]!;
          for (let i = 0; i < area; i++) if (own[offset + i] === 1) data[start + i] = value;
        }
      }
      return { images, labels };
    },
  };
}
