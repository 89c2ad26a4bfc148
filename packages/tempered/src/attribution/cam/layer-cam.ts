import type { Task } from '../explanation.ts';
import type { OnePass } from '../one-pass.ts';
import { acrossChannels, type MapFormula, type MapOptions, mapPass } from './activation-map.ts';

export interface LayerCam extends Required<MapOptions> {
  readonly name: 'layer-cam';
}

/**
 * LayerCAM: every activation weighed by its own gradient where that is positive, added over the channels; also for
 * early layers, whose gradients differ from place to place. Jiang et al. 2021.
 */
export const layerCam = ({ relu = true, resize = 'bilinear' }: MapOptions = {}): LayerCam => ({
  name: 'layer-cam',
  relu,
  resize,
});

const layerMap: MapFormula = (g, activations, slopes) => acrossChannels(g, g.mul(activations, g.relu(slopes)));

export const layerCamPass = (method: LayerCam, task: Task): OnePass => mapPass(method.name, layerMap, method, task);
