/** @file Shapley values from every coalition. */
import { UsageError } from '../../errors.ts';
import type { Explain } from '../explanation.ts';
import { explainByFeatures } from './by-features.ts';
import type { FeatureBaseline, Features } from './features.ts';

export interface ExactShapley {
  readonly name: 'exact-shapley';
  readonly features?: Features;
  readonly baseline: FeatureBaseline;
}

/** 65,536 coalitions an image. */
const MOST_FEATURES = 16;

/**
 * Shapley values: the mean gain of what is explained when a feature joins the ones before it, over all orders, from the
 * values of all 2^features coalitions (Shapley 1953; Lundberg & Lee 2017, eq. 4). They add up to f(x) − f(baseline).
 *
 * @example
 * await attribute(classifier, { images, method: exactShapley({ features: { superpixels: 10 } }) });
 */
export const exactShapley = ({
  features,
  baseline = 'black',
}: {
  /** At most 16. Default: at most 10 superpixels of an image, the channels of a layer, single elements of anything else. */
  features?: Features;
  /** What stands for a feature that is not there. Default black (zeros). */
  baseline?: FeatureBaseline;
} = {}): ExactShapley => ({ name: 'exact-shapley', ...(features !== undefined && { features }), baseline });

export const explainExactShapley: Explain<ExactShapley> = (task, { name, features, baseline }) =>
  explainByFeatures(
    task,
    { name, features, superpixels: 10, baseline, complete: true },
    async ({ features: count, all, none, values }) => {
      if (count > MOST_FEATURES)
        throw new UsageError(
          `exact Shapley values are for at most ${MOST_FEATURES} features, not ${count}: take fewer, or estimate them with Kernel SHAP or by sampling`,
        );
      // Bit j of a coalition's number says whether feature j is in it.
      const inner = await values(2 ** count - 2, (index, kept) => {
        for (let j = 0; j < count; j++) kept[j] = ((index + 1) >> j) & 1;
      });
      return { values: shapleyValues([none, ...inner, all], count) };
    },
  );

/** Shapley values of a game from the value of every coalition, in the order of their bits. */
function shapleyValues(value: readonly number[], players: number): Float64Array {
  // Share of the orders in which exactly the players of a coalition of that size come first: 1 / (players · C(players − 1, size)).
  const shares = new Float64Array(players);
  shares[0] = 1 / players;
  for (let size = 1; size < players; size++) shares[size] = (shares[size - 1]! * size) / (players - size);
  const result = new Float64Array(players);
  for (let coalition = 0; coalition < value.length; coalition++) {
    let size = 0;
    for (let rest = coalition; rest > 0; rest &= rest - 1) size += 1;
    for (let player = 0; player < players; player++) {
      const joined = coalition | (1 << player);
      if (joined !== coalition) result[player]! += shares[size]! * (value[joined]! - value[coalition]!);
    }
  }
  return result;
}
