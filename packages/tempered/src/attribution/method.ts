/** @file Attribution methods as plain data. */
import type { Tensor } from '../tensor.ts';

/** What is explained: the class's logit, its probability, or the cross-entropy loss of that class. */
export type Explained = 'logit' | 'probability' | 'loss';

/** The reference of integrated gradients: an image without evidence. */
export type Baseline = 'black' | 'white' | 'mean' | Tensor;

export type AttributionMethod =
  | { readonly name: 'gradient' }
  | { readonly name: 'gradient-times-input' }
  | { readonly name: 'smoothgrad'; readonly samples: number; readonly sigma: number }
  | { readonly name: 'integrated-gradients'; readonly steps: number; readonly baseline: Baseline };

/** ∂ objective / ∂ input, signed. Simonyan et al. 2014, without the absolute value. */
export const plainGradient = (): AttributionMethod => ({ name: 'gradient' });

/** Input ⊙ gradient: the first-order share of each input. Shrikumar et al. 2016. */
export const gradientTimesInput = (): AttributionMethod => ({ name: 'gradient-times-input' });

/** Mean gradient at noisy copies of the input. Smilkov et al. 2017. */
export const smoothGrad = ({
  samples = 50,
  sigma = 0.15,
}: {
  /** Default 50. */
  samples?: number;
  /** Standard deviation of the noise as a share of the input's range (largest minus smallest value). Default 0.15. */
  sigma?: number;
} = {}): AttributionMethod => ({
  name: 'smoothgrad',
  samples,
  sigma,
});

/**
 * (x − baseline) ⊙ mean gradient along the straight line between them. Sundararajan et al. 2017, eq. 1, by the midpoint
 * rule, which on piecewise linear networks is more exact than Gauss–Legendre with as many points.
 */
export const integratedGradients = ({
  steps = 50,
  baseline = 'black',
}: {
  /** Gradients along the line. Default 50. */
  steps?: number;
  /** Default black (zeros); `mean` is each channel's mean over the image. */
  baseline?: Baseline;
} = {}): AttributionMethod => ({ name: 'integrated-gradients', steps, baseline });
