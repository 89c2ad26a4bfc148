/** @file Rules for ∫₀¹: points and weights. */
import { UsageError } from '../errors.ts';
import { checkChoice } from './check-choice.ts';
import { checkCount } from './check-count.ts';

/**
 * - `'left'`, `'right'`, `'midpoint'`: n intervals of one width, each at its start, end or middle
 * - `'trapezoid'`: n points from 0 to 1, both included
 * - `'gauss-legendre'`: exact for polynomials of degree 2n − 1
 * - `'captum-trapezoid'`: the trapezoid's points with weights 1/n, at both ends 1/2n, as captum's `riemann_trapezoid` and
 *   the text of Boychev 2023 have it; they add up to (n − 1)/n, so that every integral is too small by 1/n
 */
export type QuadratureRule = (typeof RULES)[number];

const RULES = ['left', 'right', 'midpoint', 'trapezoid', 'gauss-legendre', 'captum-trapezoid'] as const;

export interface Quadrature {
  /** In [0, 1], ascending. */
  readonly positions: Float64Array;
  readonly weights: Float64Array;
}

/**
 * The points and weights of a rule.
 *
 * @throws UsageError for another rule, or unless `points` is a whole number, 1 or more; for the trapezoid, 2 or more
 * @example
 * quadrature('midpoint', 2); // positions 0.25, 0.75; weights 0.5, 0.5
 */
export function quadrature(rule: QuadratureRule, points: number): Quadrature {
  checkCount('steps', points);
  checkChoice('rule', rule, RULES);
  if (rule === 'gauss-legendre') return gaussLegendre(points);
  if (rule === 'trapezoid' || rule === 'captum-trapezoid') return trapezoid(points, rule === 'trapezoid');
  const offset = { left: 0, midpoint: 0.5, right: 1 }[rule];
  return {
    positions: Float64Array.from({ length: points }, (_, k) => (k + offset) / points),
    weights: new Float64Array(points).fill(1 / points),
  };
}

function trapezoid(points: number, correct: boolean): Quadrature {
  if (points < 2) throw new UsageError('the trapezoid rule needs 2 steps or more, one at each end of the path');
  const width = 1 / (correct ? points - 1 : points);
  return {
    positions: Float64Array.from({ length: points }, (_, k) => k / (points - 1)),
    weights: Float64Array.from({ length: points }, (_, k) => (k === 0 || k === points - 1 ? width / 2 : width)),
  };
}

/** The roots of the Legendre polynomial by Newton's method (Press et al., Numerical Recipes, 3rd ed., §4.6.1). */
function gaussLegendre(points: number): Quadrature {
  const positions = new Float64Array(points);
  const weights = new Float64Array(points);
  for (let k = 0; k < Math.ceil(points / 2); k++) {
    let x = Math.cos((Math.PI * (k + 0.75)) / (points + 0.5));
    // Converges quadratically from this start; the last step brings no change.
    for (let step = 0; step < 10; step++) {
      const { value, slope } = legendre(points, x);
      const next = x - value / slope;
      if (next === x) break;
      x = next;
    }
    const { slope } = legendre(points, x);
    const weight = 1 / ((1 - x * x) * slope * slope);
    positions[k] = (1 - x) / 2;
    positions[points - 1 - k] = (1 + x) / 2;
    weights[k] = weight;
    weights[points - 1 - k] = weight;
  }
  return { positions, weights };
}

/** P_n(x) and its derivative, by the three-term recurrence. */
function legendre(n: number, x: number): { value: number; slope: number } {
  let before = 1;
  let value = x;
  for (let k = 2; k <= n; k++) [before, value] = [value, ((2 * k - 1) * x * value - (k - 1) * before) / k];
  return { value, slope: (n * (x * value - before)) / (x * x - 1) };
}
