/** @file How much better one set of scores is than another, image by image. */
import { createRandom } from '../../random.ts';
import { estimateMeanOfFew, type MeanEstimate } from '../../statistics.ts';

/** Mean of the differences with its 95% interval (Student's t); above 0 where the first scores are better. */
export interface Lead extends MeanEstimate {
  /** Images that have both scores. */
  readonly count: number;
  /** Whether the first is better, worse, the same on every image, or the images do not tell. */
  readonly told: 'better' | 'worse' | 'same' | 'unknown';
}

/** Of one side: those of a 95% interval. */
const LEVEL = 0.025;

/** All signs are tried up to so many images, of more as many as this are drawn. */
const EXACT = 12;
const DRAWS = 10_000;

/** So few images are never told apart: 2⁻⁵ is above the level. */
const FEWEST = 6;

/**
 * The lead of scores over others on the same images. A lead counts as told when both the t interval and the sign-flip test
 * (Fisher 1935, The Design of Experiments, §21) say so: differences that are all the same have an interval without width,
 * however few they are.
 *
 * @param first one number an image; NaN where there is none
 * @param better which way is better
 * @param seed of the signs that are drawn for more than 12 images
 * @returns null where fewer than two images have both scores
 */
export function leadOver(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  { better, seed }: { better: 'higher' | 'lower'; seed: number },
): Lead | null {
  const sign = better === 'higher' ? 1 : -1;
  const differences = Array.from(first, (value, i) => sign * (value - second[i]!)).filter(Number.isFinite);
  if (differences.length < 2) return null;
  const mean = estimateMeanOfFew(differences);
  return { ...mean, count: differences.length, told: tell(differences, mean, seed) };
}

function tell(differences: readonly number[], { lower, upper }: MeanEstimate, seed: number): Lead['told'] {
  if (differences.length < FEWEST) return 'unknown';
  if (differences.every((value) => value === 0)) return 'same';
  if (lower > 0 && signFlip(differences, seed) <= LEVEL) return 'better';
  const negated = differences.map((value) => -value);
  return upper < 0 && signFlip(negated, seed) <= LEVEL ? 'worse' : 'unknown';
}

/**
 * How likely a sum at least as large is when the sign of every value is tossed: of all signs, or of random ones with the
 * values' own among them (Phipson & Smyth 2010).
 */
export function signFlip(values: readonly number[], seed: number): number {
  const sum = values.reduce((a, b) => a + b, 0);
  // Sums of the same numbers in other signs may differ in their last digits.
  const wanted = sum - 1e-9 * values.reduce((a, b) => a + Math.abs(b), 0);
  const reached = (sign: (i: number) => boolean) =>
    Number(values.reduce((total, value, i) => total + (sign(i) ? value : -value), 0) >= wanted);
  let hits = 0;
  if (values.length <= EXACT) {
    const all = 2 ** values.length;
    for (let signs = 0; signs < all; signs++) hits += reached((i) => ((signs >> i) & 1) === 1);
    return hits / all;
  }
  const random = createRandom(seed, 'signs');
  for (let draw = 0; draw < DRAWS; draw++) hits += reached(() => random.bits() >>> 31 === 1);
  return (hits + 1) / (DRAWS + 1);
}
