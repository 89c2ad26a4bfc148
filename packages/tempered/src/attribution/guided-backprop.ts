import { gradient } from 'onnx-grad';
import { explained } from './explained.ts';
import { checkDependence } from './layer.ts';
import type { OnePass } from './one-pass.ts';
import { rectifierRules } from './rectifiers.ts';

export interface GuidedBackprop {
  readonly name: 'guided-backprop';
}

export interface Deconvnet {
  readonly name: 'deconvnet';
}

/**
 * Guided backpropagation: the gradient, of which every rectifier passes on only what is positive. Springenberg et al.
 * 2015. Networks without rectifiers get their gradient; which activations count is said at `rectifierRules`.
 * It shows edges more than evidence (Adebayo et al. 2018).
 */
export const guidedBackprop = (): GuidedBackprop => ({ name: 'guided-backprop' });

/**
 * Deconvnet: what comes back passes every rectifier where it is positive, whether or not the rectifier was open at the
 * image; pooling remembers where its maxima were. Zeiler & Fergus 2014, §2.1.
 */
export const deconvnet = (): Deconvnet => ({ name: 'deconvnet' });

export const rectifiedPass = ({ name }: GuidedBackprop | Deconvnet): OnePass => ({
  name,
  key: name,
  passes: { forwards: 1, backwards: 1 },
  write: ({ g, model, x, target, of, layer }) => {
    const applied = model(x);
    const output = explained(g, applied, target, of);
    const at = layer === undefined ? x : applied.value(layer);
    if (layer !== undefined) checkDependence(g, output, at, layer);
    const rules = rectifierRules(g, name === 'deconvnet' ? 'deconvnet' : 'guided');
    const [attributions] = gradient(g, { of: output, wrt: [at], rules });
    return { attributions: attributions!, output };
  },
});
