/**
 * @file Elementary functions made of +, −, ×, ÷ and √ only. IEEE 754 fixes those to the last bit, while `Math.sin`,
 * `Math.cos`, `Math.log` and `**` may differ between engines: whatever has to give the same bytes everywhere uses these.
 */

const TAU = 6.283185307179586;

/** Sine of an angle given in turns (1 = a full circle). Error below 1e-14 for |turns| ≤ 1000. */
export function sinTurns(turns: number): number {
  // Fold into [−1/4, 1/4], where the Taylor series below has converged to double precision.
  let t = turns - Math.round(turns);
  if (t > 0.25) t = 0.5 - t;
  else if (t < -0.25) t = -0.5 - t;
  const x = t * TAU;
  const square = x * x;
  let sum = 1;
  for (let n = 23; n >= 3; n -= 2) sum = 1 - (sum * square) / (n * (n - 1));
  return x * sum;
}

/** Cosine of an angle given in turns. Error below 1e-14 for |turns| ≤ 1000. */
export function cosTurns(turns: number): number {
  const t = turns - Math.round(turns);
  return sinTurns(t + 0.25);
}

// The constants of `Math` are the same everywhere; only its functions are not.

/** Natural logarithm of a normal positive number. Relative error below 1e-14. */
export function log(x: number): number {
  let exponent = 0;
  let mantissa = x;
  // Scaling by powers of two is exact.
  while (mantissa > Math.SQRT2) {
    mantissa /= 2;
    exponent++;
  }
  while (mantissa < Math.SQRT1_2) {
    mantissa *= 2;
    exponent--;
  }
  // ln m = 2 artanh((m − 1) / (m + 1)), |(m − 1) / (m + 1)| ≤ 0.172.
  const z = (mantissa - 1) / (mantissa + 1);
  const square = z * z;
  let sum = 0;
  for (let n = 23; n >= 1; n -= 2) sum = sum * square + 1 / n;
  return exponent * Math.LN2 + 2 * z * sum;
}

/** The nth root of a number of 0 or more, n from 2. Relative error below 1e-14. */
export function root(x: number, n: number): number {
  if (x === 0) return 0;
  // Newton's steps fall from above to the root, until rounding stops them.
  let previous = Number.POSITIVE_INFINITY;
  let guess = Math.max(1, x);
  while (guess < previous) {
    previous = guess;
    let power = 1;
    for (let i = 1; i < n; i++) power *= guess;
    guess = ((n - 1) * guess + x / power) / n;
  }
  return previous;
}
