/**
 * The value below which `rank` per cent of the values lie, linearly interpolated between order statistics
 * (Hyndman and Fan's type 7, NumPy's default).
 *
 * @param rank 0 to 100
 * @throws RangeError for no values or a rank outside 0 to 100
 *
 * @example percentile([1, 2, 3, 4], 50) // 2.5
 */
export function percentile(values: ArrayLike<number>, rank: number): number {
  if (values.length === 0) throw new RangeError('A percentile needs at least one value.');
  if (!(rank >= 0 && rank <= 100)) throw new RangeError(`A percentile lies between 0 and 100, not at ${rank}.`);
  return percentileOfSorted(Float64Array.from(values).sort(), rank);
}

/** As `percentile`, of values that are in ascending order already; the rank is not checked. */
export function percentileOfSorted(sorted: ArrayLike<number>, rank: number): number {
  const position = (rank / 100) * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!);
}
