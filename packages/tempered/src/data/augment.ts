/** @file Random variations of a batch of images that leave the class alone. */

import type { Random } from '../random.ts';
import { type Tensor, zeros } from '../tensor.ts';

export interface Augmentation {
  /** Pads with this many black pixels all round, then cuts a window of the old size at a random place. Default: 0. */
  padding?: number;
  /** Mirrors every other image, left to right, at random. Default: false. */
  flip?: boolean;
}

/**
 * A varied copy of images [N, C, H, W].
 *
 * @example
 * augment(images, { padding: 4, flip: true }, random.split('epoch', 3, 'batch', 17));
 */
export function augment(images: Tensor, { padding = 0, flip = false }: Augmentation, random: Random): Tensor {
  if (!Number.isInteger(padding) || padding < 0) throw new RangeError(`padding must be 0 or more, not ${padding}`);
  const [count, channels, height, width] = images.shape as [number, number, number, number];
  const result = zeros(images.shape);
  for (let image = 0; image < count; image++) {
    // The window's place relative to the unpadded image.
    const top = random.integer(2 * padding + 1) - padding;
    const left = random.integer(2 * padding + 1) - padding;
    const mirrored = flip && random.integer(2) === 1;
    for (let plane = image * channels; plane < (image + 1) * channels; plane++) {
      for (let y = Math.max(0, -top); y < Math.min(height, height - top); y++) {
        const target = (plane * height + y) * width;
        const source = (plane * height + y + top) * width + left;
        for (let x = Math.max(0, -left); x < Math.min(width, width - left); x++) {
          result.data[target + (mirrored ? width - 1 - x : x)] = images.data[source + x]!;
        }
      }
    }
  }
  return result;
}
