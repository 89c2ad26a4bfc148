import { checkChoice } from '../check-choice.ts';
import type { Task } from '../explanation.ts';
import type { OnePass } from '../one-pass.ts';
import { type ChannelWeights, type MapOptions, mapPass, positionAxes, weighed } from './activation-map.ts';

const WEIGHTINGS = ['sum', 'mean'] as const;

export interface GradCamPlusPlus extends Required<MapOptions> {
  readonly name: 'grad-cam++';
  readonly weighting: (typeof WEIGHTINGS)[number];
}

/**
 * Grad-CAM++: the positive gradients of a channel, weighed by α. Chattopadhyay et al. 2018, eq. 5 and 19, for the
 * exponential of what is explained, whose positive factor of each image is left out:
 * w = Σ_ij α_ij relu(g_ij) with α_ij = g² / (2 g² + Σ_ab A_ab g³) = 1 / (2 + g_ij Σ_ab A_ab), and 0 where g = 0.
 *
 * α is meant for activations that are not negative; on others its denominator may come near 0, and is kept at 1e-6.
 */
export const gradCamPlusPlus = ({
  relu = true,
  resize = 'bilinear',
  weighting = 'sum',
}: MapOptions & {
  /**
   * `'sum'`, the default: as published. `'mean'`: the means over the positions in place of both sums, as in Xplique; it
   * weighs channels with large activations less against others.
   */
  weighting?: GradCamPlusPlus['weighting'];
} = {}): GradCamPlusPlus => ({ name: 'grad-cam++', relu, resize, weighting });

export const gradCamPlusPlusWeights =
  (weighting: GradCamPlusPlus['weighting']): ChannelWeights =>
  (g, activations, slopes) => {
    const axes = positionAxes(activations);
    const over = (x: typeof slopes) =>
      weighting === 'mean' ? g.reduceMean(x, axes, true) : g.reduceSum(x, axes, true);
    const denominator = g.offset(g.mul(slopes, over(activations)), 2);
    const least = g.constant(1e-6, [], slopes);
    const safe = g.where(g.less(g.abs(denominator), least), least, denominator);
    return over(g.div(g.relu(slopes), safe));
  };

export function gradCamPlusPlusPass(method: GradCamPlusPlus, task: Task): OnePass {
  const { name, weighting } = method;
  checkChoice('weighting', weighting, WEIGHTINGS);
  return mapPass(`${name} ${weighting}`, weighed(gradCamPlusPlusWeights(weighting)), method, task);
}
