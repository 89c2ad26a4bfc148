import { type Tensor, zeros } from '../tensor.ts';

/**
 * Gaussian blur of every plane of [..., H, W]. The kernel ends at 4 σ; beyond the border the image is mirrored, edge
 * pixels included.
 *
 * @param sigma in pixels, above 0
 */
export function gaussianBlur(images: Tensor, sigma: number): Tensor {
  const [height, width] = images.shape.slice(-2) as [number, number];
  const radius = Math.ceil(4 * sigma);
  const weights = Float64Array.from({ length: 2 * radius + 1 }, (_, k) => Math.exp(-(((k - radius) / sigma) ** 2) / 2));
  const total = weights.reduce((a, b) => a + b, 0);
  const kernel = weights.map((weight) => weight / total);
  return blurAlong(blurAlong(images, kernel, width, 1), kernel, height, width);
}

/** Convolves along the axis of `length` values that lie `stride` apart. */
function blurAlong(images: Tensor, kernel: Float64Array, length: number, stride: number): Tensor {
  const radius = (kernel.length - 1) / 2;
  // Where the pixel at −radius, −radius + 1 ... lies after mirroring, in steps of the axis.
  const mirrored = Int32Array.from({ length: length + 2 * radius }, (_, i) => mirror(i - radius, length) * stride);
  const result = zeros(images.shape);
  const line = length * stride;
  for (let start = 0; start < images.data.length; start += line) {
    for (let offset = 0; offset < line; offset++) {
      const first = Math.floor(offset / stride);
      const base = start + (offset % stride);
      let sum = 0;
      for (let k = 0; k < kernel.length; k++) sum += kernel[k]! * images.data[base + mirrored[first + k]!]!;
      result.data[start + offset] = sum;
    }
  }
  return result;
}

function mirror(position: number, length: number): number {
  const inPeriod = ((position % (2 * length)) + 2 * length) % (2 * length);
  return inPeriod < length ? inPeriod : 2 * length - 1 - inPeriod;
}
