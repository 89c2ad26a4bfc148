/** @file What stands in an image where pixels were taken away. */
import { type Baseline, baselinesOf } from '../../attribution/baseline.ts';
import type { Tensor } from '../../tensor.ts';
import type { MeasureTask } from './measure.ts';

/** Zeros; each channel's mean over the image; the image blurred; uniform noise. */
export type Fill = 'black' | 'mean' | 'blurred' | 'uniform';

export const FILLS = ['black', 'mean', 'blurred', 'uniform'] as const satisfies readonly Fill[];

/** Of the blur, in pixels, as in the code of RISE. */
const SIGMA = 5;

export const FILL_IN_WORDS: Readonly<Record<Fill, string>> = {
  black: 'black',
  mean: "each channel's mean over the image",
  blurred: `the image blurred (Gaussian, σ ${SIGMA} pixels)`,
  uniform: 'uniform noise',
};

/** For each image, what replaces its pixels, [N, C, H, W]. */
export function fillFor(task: MeasureTask, fill: Fill): Tensor {
  const baseline: Baseline = fill === 'blurred' ? { blurred: SIGMA } : fill;
  return baselinesOf(task, baseline);
}
