/** @file What is explained as a function of which features an image keeps: the others are at the baseline. */
import type { Task } from '../explanation.ts';
import type { FeatureMap } from './features.ts';
import { type Masked, maskedValues, withMasked } from './masked.ts';

/** A cooperative game (Shapley 1953) whose players are the features of one image; of several baselines, its values are means. */
export interface Game {
  /** How many features there are. */
  readonly features: number;
  /** The value of the whole image. */
  readonly all: number;
  /** The value of the baseline. */
  readonly none: number;
  /** The value of each coalition. `write` puts ones at the features of a coalition, 0 ≤ coalition < count, into zeros. */
  values(count: number, write: (coalition: number, kept: Float32Array) => void): Promise<Float64Array>;
}

/** Plays with one image, which stays with the engine meanwhile: only coalitions go there. */
export function withGame<T>(
  task: Task,
  masked: Masked,
  { count: players, of, shape }: FeatureMap,
  all: number,
  /** Called after every run with the evaluations done of those asked for. */
  onValues: (done: number, count: number) => void,
  play: (game: Game) => Promise<T>,
): Promise<T> {
  // Images have different numbers of features: one program serves all up to the next power of two.
  const length = 2 ** Math.ceil(Math.log2(players));
  const feature = { dtype: 'int32', shape: [of.length], data: of } as const;
  return withMasked(task, masked, { feature }, async (at) => {
    const values: Game['values'] = (count, write) =>
      maskedValues(task, at, {
        key: `coalitions of ${length} features over ${shape.join('x')}`,
        count,
        length,
        write: (coalition, kept) => write(coalition, kept.subarray(0, players)),
        mask: (g, kept) => g.reshape(g.gather(kept, g.input('feature', 'int32', [of.length]), 1), [-1, ...shape]),
        onValues: (done) => onValues(done, count * masked.baselines.length),
      });
    const [none = 0] = await values(1, () => {});
    return play({ features: players, all, none, values });
  });
}
