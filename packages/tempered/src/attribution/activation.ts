import { UsageError } from '../errors.ts';
import { explained } from './explained.ts';
import type { Task } from './explanation.ts';
import type { OnePass } from './one-pass.ts';

export interface Activation {
  readonly name: 'activation';
}

/**
 * The values of a layer, [N, ...].
 *
 * @example
 * await attribute(classifier, { images, method: activation(), layer: 'relu' });
 */
export const activation = (): Activation => ({ name: 'activation' });

export function activationPass(_: Activation, { layer }: Task): OnePass {
  if (layer === undefined) throw new UsageError('activation shows the values of a layer: name one with `layer`');
  return {
    name: 'activation',
    key: 'activation',
    passes: { forwards: 1, backwards: 0 },
    write: ({ g, model, x, target, of }) => {
      const applied = model(x);
      return { attributions: applied.value(layer), output: explained(g, applied, target, of) };
    },
  };
}
