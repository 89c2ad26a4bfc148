import type { Task } from '../explanation.ts';
import type { OnePass } from '../one-pass.ts';
import { type ChannelWeights, type MapOptions, mapPass, positionAxes, weighed } from './activation-map.ts';

export interface XGradCam extends Required<MapOptions> {
  readonly name: 'xgrad-cam';
}

/**
 * XGrad-CAM: a channel's weight is the mean of its gradients weighed by its activations, Σ A g / Σ A, so that the map
 * adds up to what the layer's values count for (its two axioms, sensitivity and conservation, as far as gradients tell).
 * Fu et al. 2020. A channel whose activations add up to 0 gets the weight 0.
 */
export const xGradCam = ({ relu = true, resize = 'bilinear' }: MapOptions = {}): XGradCam => ({
  name: 'xgrad-cam',
  relu,
  resize,
});

export const xGradCamWeights: ChannelWeights = (g, activations, slopes) => {
  const axes = positionAxes(activations);
  const total = g.reduceSum(activations, axes, true);
  const isNone = g.less(g.abs(total), g.constant(1e-12, [], total));
  const share = g.div(
    g.reduceSum(g.mul(activations, slopes), axes, true),
    g.where(isNone, g.constant(1, [], total), total),
  );
  return g.mask(g.not(isNone), share);
};

export const xGradCamPass = (method: XGradCam, task: Task): OnePass =>
  mapPass(method.name, weighed(xGradCamWeights), method, task);
