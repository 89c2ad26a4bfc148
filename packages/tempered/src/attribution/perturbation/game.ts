/** @file What is explained as a function of which features an image keeps: the others are at the baseline. */
import type { Tensor } from '../../tensor.ts';
import type { Task } from '../explanation.ts';
import type { FeatureMap } from './features.ts';
import { maskedValues, withImage } from './masked.ts';

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

interface GameOptions {
  /** Row of the task. */
  readonly place: number;
  /** Each [1, ...]. */
  readonly baselines: readonly Tensor[];
  readonly features: FeatureMap;
  readonly all: number;
  readonly none: number;
  /** Called after every run with the evaluations done of those asked for. */
  onValues(done: number, count: number): void;
}

/** Plays with one image, which stays with the engine meanwhile: only coalitions go there. */
export function withGame<T>(
  task: Task,
  { place, baselines, features, all, none, onValues }: GameOptions,
  play: (game: Game) => Promise<T>,
): Promise<T> {
  const { count: players, of, shape } = features;
  // Images have different numbers of features: one program serves all up to the next power of two.
  const length = 2 ** Math.ceil(Math.log2(players));
  return withImage(task, place, baselines, { feature: { dtype: 'int32', shape: [of.length], data: of } }, (at) =>
    play({
      features: players,
      all,
      none,
      values: (count, write) =>
        maskedValues(task, at, {
          key: `coalitions of ${length} features over ${shape.join('x')}`,
          count,
          length,
          write: (coalition, kept) => write(coalition, kept.subarray(0, players)),
          mask: (g, kept) => g.reshape(g.gather(kept, g.input('feature', 'int32', [of.length]), 1), [-1, ...shape]),
          onValues: (done) => onValues(done, count * baselines.length),
        }),
    }),
  );
}
