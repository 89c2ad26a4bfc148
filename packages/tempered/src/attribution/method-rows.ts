import { rows, type Tensor } from '../tensor.ts';
import type { AttributionMethod } from './attribute.ts';
import type { FeatureMask } from './perturbation/features.ts';

/**
 * The method for images `start` to `end` (exclusive) of `images`: of baselines and feature masks that are one an image,
 * those of these images.
 */
export function methodRows(method: AttributionMethod, images: Tensor, start: number, end: number): AttributionMethod {
  const onePerImage = ({ shape }: { readonly shape: readonly number[] }) =>
    shape.length === images.shape.length && shape[0] === images.shape[0];
  let result = method;
  if ('baseline' in result && typeof result.baseline === 'object' && 'data' in result.baseline)
    if (onePerImage(result.baseline)) result = { ...result, baseline: rows(result.baseline, start, end) };
  if ('features' in result && typeof result.features === 'object' && 'data' in result.features)
    if (onePerImage(result.features)) result = { ...result, features: maskRows(result.features, start, end) };
  if ('method' in result) result = { ...result, method: methodRows(result.method, images, start, end) };
  return result;
}

function maskRows({ shape: [count = 0, ...own], data }: FeatureMask, start: number, end: number): FeatureMask {
  const size = data.length / count;
  const last = Math.min(end, count);
  return { shape: [last - start, ...own], data: Array.from(data).slice(start * size, last * size) };
}
