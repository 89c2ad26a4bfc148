/** @file How far two lists of numbers agree in the order of their entries. */

/**
 * Kendall's τ-b, which allows for ties (Kendall 1945), in O(n log n) (Knight 1966): (concordant − discordant pairs) over
 * the geometric mean of the pairs that are untied in either list.
 *
 * @returns in [−1, 1]; NaN when all entries of a list are equal
 * @throws RangeError for lists of different lengths
 * @example
 * kendallTau([1, 2, 3, 4], [1, 2, 4, 3]); // 0.666…
 */
export function kendallTau(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const count = a.length;
  if (b.length !== count) throw new RangeError(`lists of ${count} and ${b.length} entries have no rank correlation`);
  const order = Uint32Array.from({ length: count }, (_, i) => i).sort((i, j) => a[i]! - a[j]! || b[i]! - b[j]!);
  const first = Float64Array.from(order, (i) => a[i]!);
  const second = Float64Array.from(order, (i) => b[i]!);
  const pairs = (count * (count - 1)) / 2;
  const tiedFirst = tiedPairs(count, (i) => first[i] === first[i - 1]);
  const tiedBoth = tiedPairs(count, (i) => first[i] === first[i - 1] && second[i] === second[i - 1]);
  const swaps = sortCountingSwaps(second);
  const tiedSecond = tiedPairs(count, (i) => second[i] === second[i - 1]);
  const difference = pairs - tiedFirst - tiedSecond + tiedBoth - 2 * swaps;
  // Two roots, whose product stays in range where that of the counts would not.
  return difference / (Math.sqrt(pairs - tiedFirst) * Math.sqrt(pairs - tiedSecond));
}

/** Pairs inside runs of equal entries of a sorted list. */
function tiedPairs(count: number, equalsPrevious: (i: number) => boolean): number {
  let pairs = 0;
  let run = 0;
  for (let i = 1; i < count; i++) {
    run = equalsPrevious(i) ? run + 1 : 0;
    pairs += run;
  }
  return pairs;
}

/** Merge sort, in place; returns how many swaps of neighbours bubble sort would take. */
function sortCountingSwaps(values: Float64Array): number {
  let swaps = 0;
  let from: Float64Array = values;
  let into: Float64Array = new Float64Array(values.length);
  for (let width = 1; width < values.length; width *= 2) {
    for (let start = 0; start < values.length; start += 2 * width) {
      const middle = Math.min(start + width, values.length);
      const end = Math.min(start + 2 * width, values.length);
      let [left, right] = [start, middle];
      for (let at = start; at < end; at++) {
        if (left < middle && (right >= end || from[left]! <= from[right]!)) into[at] = from[left++]!;
        else {
          swaps += middle - left;
          into[at] = from[right++]!;
        }
      }
    }
    [from, into] = [into, from];
  }
  if (from !== values) values.set(from);
  return swaps;
}

/** Place of each entry in the order of the list, from 1; equal entries share the mean of their places. */
export function averageRanks(values: ArrayLike<number>): Float64Array {
  const order = Uint32Array.from({ length: values.length }, (_, i) => i).sort((i, j) => values[i]! - values[j]!);
  const ranks = new Float64Array(values.length);
  for (let start = 0, end = 0; start < order.length; start = end) {
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let place = start; place < end; place++) ranks[order[place]!] = (start + end + 1) / 2;
  }
  return ranks;
}

/**
 * Spearman's ρ: Pearson's correlation of the average ranks, so that ties are allowed for (Kendall 1948, chapter 3).
 *
 * @returns in [−1, 1]; NaN when all entries of a list are equal
 * @throws RangeError for lists of different lengths
 * @example
 * spearman([1, 2, 3, 4], [1, 2, 4, 3]); // 0.8
 */
export function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const count = a.length;
  if (b.length !== count) throw new RangeError(`lists of ${count} and ${b.length} entries have no rank correlation`);
  const [first, second] = [averageRanks(a), averageRanks(b)];
  const middle = (count + 1) / 2;
  let [both, firstSquares, secondSquares] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const [x, y] = [first[i]! - middle, second[i]! - middle];
    both += x * y;
    firstSquares += x * x;
    secondSquares += y * y;
  }
  const rho = both / (Math.sqrt(firstSquares) * Math.sqrt(secondSquares));
  return Math.max(-1, Math.min(1, rho));
}

/** The positions of the `k` largest entries, the largest first; of equals the earlier ones. */
export function largestPositions(values: ArrayLike<number>, k: number): number[] {
  return Array.from(values, (_, i) => i)
    .sort((i, j) => values[j]! - values[i]! || i - j)
    .slice(0, k);
}

/** Share of the `k` largest entries of one list that are among the `k` largest of the other. */
export function topIntersection(a: ArrayLike<number>, b: ArrayLike<number>, k: number): number {
  const first = new Set(largestPositions(a, k));
  return largestPositions(b, k).filter((i) => first.has(i)).length / Math.min(k, a.length);
}
