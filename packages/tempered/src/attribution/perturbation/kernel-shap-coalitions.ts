/** @file The coalitions that Kernel SHAP looks at, with the weights of the Shapley kernel. */
import type { Random } from '../../random.ts';

export interface WeightedCoalitions {
  /** Ones at the features of each coalition, [count, features]. */
  readonly kept: Uint8Array;
  /** Of each coalition; they add up to 1. */
  readonly weights: Float64Array;
  /** The first coalitions are all those of their sizes; from here on they are drawn, each followed by its complement. */
  readonly drawnFrom: number;
}

/**
 * Chooses at most `samples` coalitions of 2 features or more (Lundberg & Lee 2017, theorem 2, and their implementation). The
 * kernel gives most weight to the smallest and largest coalitions: they are all taken, size by size, as long as a size's
 * share of the samples that are left pays for it. The rest are drawn from the kernel in pairs of a coalition and its
 * complement.
 */
export function chooseCoalitions(features: number, samples: number, random: Random): WeightedCoalitions {
  const sizes = Math.floor(features / 2);
  // A coalition of size s and its complement have equal weight: sizes up to half stand for both.
  const share = Array.from({ length: sizes }, (_, i) => {
    const size = i + 1;
    return ((features - 1) / (size * (features - size))) * (2 * size === features ? 1 : 2);
  });
  const total = share.reduce((a, b) => a + b, 0);
  const chosen: Uint8Array[] = [];
  const weights: number[] = [];
  let left = samples;
  let leftShare = total;
  let size = 1;
  for (; size <= sizes; size++) {
    const paired = 2 * size !== features;
    const number = binomial(features, size) * (paired ? 2 : 1);
    // Single features are always taken: with them, the values are determined.
    if (number > left || (size > 1 && (left * share[size - 1]!) / leftShare < number - 1e-9)) break;
    for (const members of combinations(features, size)) {
      const kept = new Uint8Array(features);
      for (const member of members) kept[member] = 1;
      chosen.push(kept);
      if (paired) chosen.push(complement(kept));
    }
    for (let i = 0; i < number; i++) weights.push(share[size - 1]! / total / number);
    left -= number;
    leftShare -= share[size - 1]!;
  }
  const drawnFrom = chosen.length;
  const pairs = size > sizes ? 0 : Math.floor(left / 2);
  for (let pair = 0; pair < pairs; pair++) {
    let place = random.uniform() * leftShare;
    let drawn = size;
    while (drawn < sizes && place >= share[drawn - 1]!) place -= share[drawn++ - 1]!;
    const kept = new Uint8Array(features);
    for (const member of random.shuffle(features).subarray(0, drawn)) kept[member] = 1;
    chosen.push(kept, complement(kept));
    const weight = leftShare / total / pairs / 2;
    weights.push(weight, weight);
  }
  const all = new Uint8Array(chosen.length * features);
  for (const [i, kept] of chosen.entries()) all.set(kept, i * features);
  return { kept: all, weights: Float64Array.from(weights), drawnFrom };
}

const complement = (kept: Uint8Array): Uint8Array => kept.map((one) => 1 - one);

function binomial(n: number, k: number): number {
  let result = 1;
  for (let i = 1; i <= k; i++) result = (result * (n - k + i)) / i;
  return Math.round(result);
}

/** The sets of `size` numbers below `n`, in order. */
function* combinations(n: number, size: number, from = 0): Generator<number[]> {
  if (size === 0) {
    yield [];
    return;
  }
  for (let first = from; first <= n - size; first++)
    for (const rest of combinations(n, size - 1, first + 1)) yield [first, ...rest];
}
