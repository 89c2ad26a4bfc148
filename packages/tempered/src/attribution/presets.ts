/** @file SmoothGrad and integrated gradients as published studies computed them. */
import type { ModelDescription } from '../models/classifier.ts';
import { withSoftplus } from '../models/softplus.ts';
import type { Explained } from './explained.ts';
import { type IntegratedGradients, integratedGradients } from './integrated-gradients.ts';
import { type SmoothGrad, smoothGrad } from './smoothgrad.ts';

export interface AttributionPreset {
  /** The study, and where in it. */
  readonly source: string;
  readonly method: SmoothGrad | IntegratedGradients;
  readonly of: Explained;
  /** Whose class is explained: pass the labels as `target`, or leave the target out for the predicted classes. */
  readonly classes: 'true' | 'predicted' | 'any';
  /** What the study changes about the network before it explains it. */
  readonly network?: (model: ModelDescription) => ModelDescription;
}

/** ImageNet's, with which AT-CNN normalises. */
const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/**
 * Presets by name.
 *
 * @example
 * const { method, of } = attributionPresets.sidn;
 * await attribute(classifier, { images, target: labels, method, of });
 */
export const attributionPresets = {
  'at-cnn-slide': {
    source: 'Zhang & Zhu 2019, formula on the slide; samples and sigma, which it leaves open, as in the code',
    method: smoothGrad({ samples: 100, sigma: 0.1, normalization: IMAGENET }),
    of: 'logit',
    classes: 'any',
  },
  'at-cnn': {
    source: 'Zhang & Zhu 2019, code, figures: noise on normalised images, a share of their range',
    method: smoothGrad({ samples: 100, sigma: 0.1, normalization: IMAGENET }),
    of: 'loss',
    classes: 'true',
  },
  sidn: {
    source: 'SIDN practicum, exercise 2: noise in pixel units',
    method: smoothGrad({ samples: 100, sigma: 0.3, relative: false }),
    of: 'loss',
    classes: 'true',
  },
  boopathy: {
    source: 'Boopathy et al. 2020, evaluation: right sum from black, on the network with softplus for ReLU',
    method: integratedGradients({ steps: 100, rule: 'right', baseline: 'black' }),
    of: 'logit',
    classes: 'any',
    network: withSoftplus,
  },
  'boychev-paper': {
    source: 'Boychev 2023, text: trapezoid with the divisor m + 1, m = 50, mean over 10 uniform baselines',
    method: integratedGradients({ steps: 51, rule: 'captum-trapezoid', baseline: { uniform: 10 } }),
    of: 'probability',
    classes: 'any',
  },
  'boychev-cifar': {
    source: 'Boychev 2023, code for CIFAR-10: trapezoid with m = 50 intervals, mean over 10 uniform baselines',
    method: integratedGradients({ steps: 51, rule: 'trapezoid', baseline: { uniform: 10 } }),
    of: 'probability',
    classes: 'predicted',
  },
  'boychev-imagenet': {
    source: 'Boychev 2023, code for ImageNet: trapezoid with m = 100 intervals, mean over 10 uniform baselines',
    method: integratedGradients({ steps: 101, rule: 'trapezoid', baseline: { uniform: 10 } }),
    of: 'probability',
    classes: 'predicted',
  },
  'boychev-black': {
    source: 'Boychev 2023, code for CIFAR-10, black baseline',
    method: integratedGradients({ steps: 51, rule: 'trapezoid', baseline: 'black' }),
    of: 'probability',
    classes: 'predicted',
  },
  'boychev-gaussian': {
    source: 'Boychev 2023, code for CIFAR-10, 10 baselines of Gaussian noise around 0, standard deviation 0.4',
    method: integratedGradients({ steps: 51, rule: 'trapezoid', baseline: { gaussian: 10, mean: 0, sigma: 0.4 } }),
    of: 'probability',
    classes: 'predicted',
  },
} as const satisfies Readonly<Record<string, AttributionPreset>>;
