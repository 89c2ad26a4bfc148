import type { Task } from '../explanation.ts';
import type { OnePass } from '../one-pass.ts';
import { acrossChannels, type MapFormula, type MapOptions, mapPass } from './activation-map.ts';

export interface HiResCam extends Required<MapOptions> {
  readonly name: 'hires-cam';
}

/**
 * HiResCAM: activation times gradient at every position, added over the channels. Draelos & Carin 2020. Where the
 * layer is followed by linear layers alone, the map at its own size adds up to the logit without its bias.
 */
export const hiResCam = ({
  relu = false,
  resize = 'bilinear',
}: Omit<MapOptions, 'relu'> & {
  /** Default false: the published map is signed. */
  relu?: boolean;
} = {}): HiResCam => ({ name: 'hires-cam', relu, resize });

const hiResMap: MapFormula = (g, activations, slopes) => acrossChannels(g, g.mul(activations, slopes));

export const hiResCamPass = (method: HiResCam, task: Task): OnePass => mapPass(method.name, hiResMap, method, task);
