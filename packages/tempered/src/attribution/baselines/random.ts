import { createRandom } from '../../random.ts';
import { rows, zeros } from '../../tensor.ts';
import { valuesAt } from '../at-images.ts';
import type { Explain } from '../explanation.ts';
import { refuseLayer } from '../refuse-layer.ts';

export interface RandomAttribution {
  readonly name: 'random';
}

/**
 * Uniform numbers in [0, 1), one a pixel, by seed and image number: what every method must beat. Hooker et al. 2019 (ROAR).
 * An image always gets the same ones. [N, 1, H, W].
 */
export const randomAttribution = (): RandomAttribution => ({ name: 'random' });

export const explainRandom: Explain<RandomAttribution> = async (task, { name }) => {
  refuseLayer(task, name);
  const { images, seed, imageNumbers } = task;
  const [count, ...shape] = images.shape;
  const attributions = zeros([count!, ...(shape.length > 1 ? [1, ...shape.slice(1)] : shape)]);
  for (let i = 0; i < count!; i++)
    createRandom(seed, 'random attribution', imageNumbers[i]!).fillUniform(rows(attributions, i, i + 1).data, 0, 1);
  return { attributions, output: await valuesAt(task) };
};
