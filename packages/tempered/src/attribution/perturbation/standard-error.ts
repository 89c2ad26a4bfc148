/** The root mean square of standard errors over the largest magnitude of what they belong to; 0 where all are 0. */
export function relativeStandardError(errors: ArrayLike<number>, values: ArrayLike<number>): number {
  let squares = 0;
  let largest = 0;
  for (let i = 0; i < errors.length; i++) {
    squares += errors[i]! ** 2;
    largest = Math.max(largest, Math.abs(values[i]!));
  }
  return squares === 0 ? 0 : Math.sqrt(squares / errors.length) / largest;
}
