/** @file Whether attributions lie on the object, where its true mask is known. */
import { UsageError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';

export interface Localization {
  /** Share of Σ|attribution| inside the mask, of each image; NaN for a map of zeros. */
  readonly relevanceMass: Float64Array;
  /** Share of the image that the mask covers: what a map without any knowledge would score. */
  readonly area: Float64Array;
  /** 1 where the pixel of largest |attribution|, of equals the first, lies inside the mask; 0 for a map of zeros. */
  readonly pointing: Uint8Array;
}

/**
 * Relevance mass accuracy (Arras et al. 2022) and the pointing game (Zhang et al. 2018) on signed attributions: the
 * magnitude of a pixel is the sum of |attribution| over its channels.
 *
 * @param attributions [N, C, H, W]
 * @param masks [N, 1, H, W] of 0 and 1, none empty
 */
export function localization(attributions: Tensor, masks: Tensor): Localization {
  const [count = 0, channels = 1, height = 1, width = 1] = attributions.shape;
  const area = height * width;
  if (masks.data.length !== count * area) {
    throw new UsageError(
      `attributions of shape [${attributions.shape.join(', ')}] do not fit masks of shape [${masks.shape.join(', ')}]`,
    );
  }
  const result = {
    relevanceMass: new Float64Array(count),
    area: new Float64Array(count),
    pointing: new Uint8Array(count),
  };
  for (let n = 0; n < count; n++) {
    const mask = masks.data.subarray(n * area, (n + 1) * area);
    const magnitude = new Float64Array(area);
    for (let c = 0; c < channels; c++) {
      const plane = attributions.data.subarray((n * channels + c) * area, (n * channels + c + 1) * area);
      for (let p = 0; p < area; p++) magnitude[p]! += Math.abs(plane[p]!);
    }
    let inside = 0;
    let total = 0;
    let peak = 0;
    for (let p = 0; p < area; p++) {
      total += magnitude[p]!;
      if (mask[p]! > 0.5) inside += magnitude[p]!;
      if (magnitude[p]! > magnitude[peak]!) peak = p;
    }
    result.relevanceMass[n] = inside / total;
    result.area[n] = mask.reduce((sum, m) => sum + m, 0) / area;
    result.pointing[n] = mask[peak]! > 0.5 && total > 0 ? 1 : 0;
  }
  return result;
}
