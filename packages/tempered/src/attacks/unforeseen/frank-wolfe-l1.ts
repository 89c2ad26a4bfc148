import { balls } from '../../optimize/ball.ts';
import { clipToBox } from '../../optimize/project.ts';
import { sizeOf } from '../../tensor.ts';
import type { Search } from '../search.ts';
import { frankWolfeStep } from './frank-wolfe.ts';
import { type Unforeseen, type UnforeseenOptions, unforeseen } from './options.ts';
import { searchUnforeseen } from './search.ts';
import type { Transform } from './transform.ts';

export interface FrankWolfeL1 extends Unforeseen {
  readonly name: 'frank-wolfe-l1';
  readonly norm: 'l1';
}

/**
 * Frank–Wolfe on the l1 ball in pixel range: each step goes the part stepSize/ε, by default 1/√steps, of the way to the
 * perturbation that is best for the linearised loss: a few strong pixels. ε is the l1 norm in pixel units: 195/255
 * where the published tables, which speak of pixels from 0 to 255, say 195. The l1 attack of Kang et al. 2019, "Testing
 * Robustness Against Unforeseen Adversaries".
 *
 * @example await perturb(classifier, frankWolfeL1(), { images, labels, epsilon: 1560 / 255 })
 */
export const frankWolfeL1 = (options: UnforeseenOptions = {}): FrankWolfeL1 => ({
  name: 'frank-wolfe-l1',
  norm: 'l1',
  ...unforeseen(options, 'grow with ε'),
});

export const searchFrankWolfeL1: Search<FrankWolfeL1> = searchUnforeseen((_, shape) => pixelL1Transform(shape));

export function pixelL1Transform(shape: readonly number[]): Transform {
  const size = sizeOf(shape);
  return {
    variables: [size],
    draw(random, epsilon) {
      const variables = new Float32Array(size);
      balls.l1.randomPoint(variables, epsilon, random);
      return { variables };
    },
    write: (g, { x, variables }) => clipToBox(g, g.add(x, g.reshape(variables, x.shape))),
    step(g, { x, variables, epsilon }, ascent, step) {
      const pixels = g.reshape(x, variables.shape);
      const room = g.where(g.greater(ascent, g.constant(0)), g.offset(g.neg(pixels), 1), pixels);
      return frankWolfeStep(g, variables, ascent, room, epsilon, step);
    },
  };
}
