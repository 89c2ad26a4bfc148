/** @file On how few pixels a map rests, whether or not they are the right ones. */
import { rows, type Tensor } from '../../tensor.ts';
import type { MeasureKind, MeasureTask } from './measure.ts';
import { pixelRelevance } from './ranking.ts';

export interface Sparseness {
  readonly name: 'sparseness';
}

export interface Complexity {
  readonly name: 'complexity';
}

/**
 * Gini index of the pixels' magnitudes (Chalasani et al. 2020, §2.2): 0 for a map of one value, 1 − 1/n for one that
 * rests on one of n pixels. NaN for a map of zeros.
 */
export const sparseness = (): Sparseness => ({ name: 'sparseness' });

/**
 * Entropy in nats of the pixels' shares of the magnitude (Bhatt et al. 2020, definition 4): ln n for a map of one value, 0
 * for one that rests on a single pixel. NaN for a map of zeros.
 */
export const complexity = (): Complexity => ({ name: 'complexity' });

/** Gini index of numbers that are 0 or more (Hurley and Rickard 2009, eq. 15). */
export function giniIndex(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort();
  const count = sorted.length;
  const total = sorted.reduce((a, b) => a + b, 0);
  const weighted = sorted.reduce((sum, value, k) => sum + value * (count - k - 0.5), 0);
  return total === 0 ? Number.NaN : 1 - (2 * weighted) / (total * count);
}

/** −Σ p ln p of shares p of the total, in nats. */
export function entropy(values: ArrayLike<number>): number {
  const all = Float64Array.from(values);
  const total = all.reduce((a, b) => a + b, 0);
  if (total === 0) return Number.NaN;
  return all.reduce((sum, value) => (value === 0 ? sum : sum - (value / total) * Math.log(value / total)), 0);
}

const perMap = async ({ attributions }: MeasureTask, of: (magnitudes: Float32Array) => number) => {
  const magnitudes: Tensor = pixelRelevance(attributions, 'magnitude');
  return Float64Array.from({ length: attributions.shape[0]! }, (_, n) => of(rows(magnitudes, n, n + 1).data));
};

export const sparsenessKind: MeasureKind<Sparseness> = {
  summary: 'on how few pixels the map rests (Gini index)',
  score: (task) => perMap(task, giniIndex),
  better: () => 'higher',
  over: 'mean',
  needs: [],
  acrossModels: () => true,
  control: () => 'concentration',
  protocol: () => 'Gini index of the sums of |attribution| over the channels of each pixel (Chalasani et al. 2020)',
};

export const complexityKind: MeasureKind<Complexity> = {
  summary: 'over how many pixels the map is spread (entropy)',
  score: (task) => perMap(task, entropy),
  better: () => 'lower',
  over: 'mean',
  needs: [],
  acrossModels: () => true,
  control: () => 'concentration',
  protocol: () =>
    'entropy in nats of the shares of pixels in Σ |attribution| over pixels and channels (Bhatt et al. 2020)',
};
