/** @file The one resampler, in plain arithmetic, so that Node and browsers make the same pixels. */

import { type Tensor, zeros } from '../tensor.ts';

/**
 * Resizes images with the triangle filter (bilinear), widened when shrinking so that nothing aliases: what Pillow's
 * `BILINEAR` and PyTorch's `interpolate(mode='bilinear', antialias=True)` do, with pixel centres at half integers.
 *
 * @param images [..., H, W]
 * @returns [..., height, width]; values stay within the range of the input
 * @throws RangeError unless both sizes are whole and positive
 */
export function resize(images: Tensor, height: number, width: number): Tensor {
  if (!Number.isInteger(height) || !Number.isInteger(width) || height < 1 || width < 1) {
    throw new RangeError(`An image cannot be ${width} × ${height} pixels`);
  }
  const [sourceHeight, sourceWidth] = images.shape.slice(-2) as [number, number];
  const leading = images.shape.slice(0, -2);
  if (sourceHeight === height && sourceWidth === width) return images;
  const planes = leading.reduce((product, n) => product * n, 1);
  const wide = resizeRows(images.data, planes * sourceHeight, sourceWidth, width);
  const result = zeros([...leading, height, width]);
  const taps = filterTaps(sourceHeight, height);
  for (let plane = 0; plane < planes; plane++) {
    const source = plane * sourceHeight * width;
    const target = plane * height * width;
    for (let y = 0; y < height; y++) {
      const { first, weights } = taps[y]!;
      for (let k = 0; k < weights.length; k++) {
        const weight = weights[k]!;
        const from = source + (first + k) * width;
        for (let x = 0; x < width; x++) result.data[target + y * width + x]! += weight * wide[from + x]!;
      }
    }
  }
  return result;
}

/** The middle square, cut out of images [..., H, W]. */
export function centreSquare(images: Tensor): Tensor {
  const [height, width] = images.shape.slice(-2) as [number, number];
  if (height === width) return images;
  const side = Math.min(height, width);
  const leading = images.shape.slice(0, -2);
  const result = zeros([...leading, side, side]);
  const planes = leading.reduce((product, n) => product * n, 1);
  const [top, left] = [Math.floor((height - side) / 2), Math.floor((width - side) / 2)];
  for (let plane = 0; plane < planes; plane++) {
    for (let y = 0; y < side; y++) {
      const from = (plane * height + top + y) * width + left;
      result.data.set(images.data.subarray(from, from + side), (plane * side + y) * side);
    }
  }
  return result;
}

function resizeRows(data: Float32Array, rows: number, sourceWidth: number, width: number): Float32Array {
  if (sourceWidth === width) return data;
  const result = new Float32Array(rows * width);
  const taps = filterTaps(sourceWidth, width);
  for (let row = 0; row < rows; row++) {
    for (let x = 0; x < width; x++) {
      const { first, weights } = taps[x]!;
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k]! * data[row * sourceWidth + first + k]!;
      result[row * width + x] = sum;
    }
  }
  return result;
}

/** For every target pixel, the source pixels that make it: weights that sum to 1, beginning at `first`. */
function filterTaps(source: number, target: number): { first: number; weights: Float64Array }[] {
  const scale = source / target;
  const reach = Math.max(scale, 1);
  return Array.from({ length: target }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - reach + 0.5));
    const last = Math.min(source, Math.floor(centre + reach + 0.5));
    const weights = Float64Array.from({ length: last - first }, (_, k) =>
      Math.max(0, 1 - Math.abs(first + k + 0.5 - centre) / reach),
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}
