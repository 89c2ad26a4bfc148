import { UsageError } from '../errors.ts';
import { sizeOf, type Tensor, zeros } from '../tensor.ts';

/** The reference of integrated gradients: an image without evidence. */
export type Baseline = 'black' | 'white' | 'mean' | Tensor;

/** The baseline of one image [1, ...]: a constant, each channel's mean, or an image of the same shape. */
export function resolveBaseline(baseline: Baseline, image: Tensor): Tensor {
  if (baseline === 'black') return zeros(image.shape);
  if (baseline === 'white') return { shape: image.shape, data: new Float32Array(image.data.length).fill(1) };
  if (baseline === 'mean') return channelMeans(image);
  const wanted = image.shape.slice(1);
  const shape = baseline.shape.length === image.shape.length ? baseline.shape.slice(1) : baseline.shape;
  if (shape.join() !== wanted.join() || sizeOf(shape) !== baseline.data.length) {
    throw new UsageError(
      `the baseline has shape [${baseline.shape.join(', ')}]; it must be one input, [${wanted.join(', ')}]`,
    );
  }
  return { shape: image.shape, data: baseline.data };
}

function channelMeans(image: Tensor): Tensor {
  // A vector has no channels: its mean is that of all its values.
  const channels = image.shape.length > 2 ? image.shape[1]! : 1;
  const area = image.data.length / channels;
  const result = zeros(image.shape);
  for (let c = 0; c < channels; c++) {
    const plane = image.data.subarray(c * area, (c + 1) * area);
    result.data.fill(plane.reduce((a, b) => a + b, 0) / area, c * area, (c + 1) * area);
  }
  return result;
}
