import type { Task } from '../explanation.ts';
import type { OnePass } from '../one-pass.ts';
import { type ChannelWeights, type MapOptions, mapPass, positionAxes, weighed } from './activation-map.ts';

export interface GradCam extends Required<MapOptions> {
  readonly name: 'grad-cam';
}

/**
 * Grad-CAM: a layer's channels, each weighed by its mean gradient; negative evidence is left out. Selvaraju et al. 2017,
 * eq. 1 and 2. On a network with a global-average-pool head it is CAM over the number of positions. [N, 1, H, W].
 *
 * @example
 * const { attributions, layer } = await attribute(classifier, { images, method: gradCam() });
 */
export const gradCam = ({ relu = true, resize = 'bilinear' }: MapOptions = {}): GradCam => ({
  name: 'grad-cam',
  relu,
  resize,
});

export const gradCamWeights: ChannelWeights = (g, _, slopes) => g.reduceMean(slopes, positionAxes(slopes), true);

export const gradCamPass = (method: GradCam, task: Task): OnePass =>
  mapPass(method.name, weighed(gradCamWeights), method, task);
