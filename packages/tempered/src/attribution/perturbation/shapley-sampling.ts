/** @file Shapley values from random orders of the features. */
import { UsageError } from '../../errors.ts';
import { checkCount } from '../check-count.ts';
import type { Explain } from '../explanation.ts';
import { explainByFeatures } from './by-features.ts';
import type { FeatureBaseline, Features } from './features.ts';

export interface ShapleySampling {
  readonly name: 'shapley-sampling';
  readonly permutations: number;
  readonly antithetic: boolean;
  readonly features?: Features;
  readonly baseline: FeatureBaseline;
}

/**
 * Shapley values as the mean gain when a feature joins those before it, over random orders (Castro et al., "Polynomial
 * calculation of the Shapley value based on sampling", 2009). They add up to f(x) − f(baseline) whatever the number of
 * orders; the certificate has their standard error. Takes (features − 1) evaluations an order.
 */
export const shapleySampling = ({
  permutations = 50,
  antithetic = true,
  features,
  baseline = 'black',
}: {
  /** Random orders, an even number when every other one is the reverse of the one before. Default 50. */
  permutations?: number;
  /** Each order is followed by its reverse: what features do in pairs is then exact (Mitchell et al., JMLR 23, 2022). Default true. */
  antithetic?: boolean;
  /** Default: at most 50 superpixels of an image, the channels of a layer's feature map, single elements of anything else. */
  features?: Features;
  /** Default black (zeros). */
  baseline?: FeatureBaseline;
} = {}): ShapleySampling => ({
  name: 'shapley-sampling',
  permutations,
  antithetic,
  ...(features !== undefined && { features }),
  baseline,
});

export const explainShapleySampling: Explain<ShapleySampling> = async (
  task,
  { name, permutations, antithetic, features, baseline },
) => {
  checkCount('permutations', permutations);
  if (antithetic && permutations % 2 === 1)
    throw new UsageError(`antithetic permutations come in pairs: take an even number, not ${permutations}`);
  return explainByFeatures(
    task,
    { name, features, superpixels: 50, baseline, complete: true },
    async ({ features: count, all, none, values }, random) => {
      const orders: Uint32Array[] = [];
      for (let p = 0; p < permutations; p++)
        orders.push(antithetic && p % 2 === 1 ? orders[p - 1]!.slice().reverse() : random.split(p).shuffle(count));
      const steps = count - 1;
      // The first feature, the first two, and so on: the last one completes the image.
      const partial =
        steps === 0
          ? new Float32Array(0)
          : await values(permutations * steps, (index, kept) => {
              const order = orders[Math.floor(index / steps)]!;
              for (let k = 0; k <= index % steps; k++) kept[order[k]!] = 1;
            });
      const group = antithetic ? 2 : 1;
      const samples = permutations / group;
      const sums = new Float64Array(count);
      const squares = new Float64Array(count);
      for (let sample = 0; sample < samples; sample++) {
        const gains = new Float64Array(count);
        for (let p = sample * group; p < (sample + 1) * group; p++) {
          let before = none;
          orders[p]!.forEach((feature, k) => {
            const value = k === steps ? all : partial[p * steps + k]!;
            gains[feature]! += (value - before) / group;
            before = value;
          });
        }
        gains.forEach((gain, feature) => {
          sums[feature]! += gain;
          squares[feature]! += gain * gain;
        });
      }
      const means = sums.map((sum) => sum / samples);
      if (samples === 1) return { values: means };
      const squaredErrors = means.map(
        (mean, feature) => Math.max(0, squares[feature]! / samples - mean * mean) / (samples - 1),
      );
      return { values: means, squaredErrors };
    },
  );
};
