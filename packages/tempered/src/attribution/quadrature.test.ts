import { describe, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { type QuadratureRule, quadrature } from './quadrature.ts';
import { cases, FILE, flatten, present } from './testing/cases.ts';

const integral = (rule: QuadratureRule, points: number, f: (t: number) => number) => {
  const { positions, weights } = quadrature(rule, points);
  return positions.reduce((sum, t, k) => sum + weights[k]! * f(t), 0);
};

it.each<[QuadratureRule, number, number]>([
  ['left', 1, 0],
  ['right', 4, 0],
  ['midpoint', 3, 1],
  ['trapezoid', 2, 1],
  ['trapezoid', 5, 1],
  ['gauss-legendre', 1, 1],
  ['gauss-legendre', 2, 3],
  ['gauss-legendre', 9, 17],
])('%s with %i points is exact up to degree %i and not beyond', (rule, points, degree) => {
  for (let power = 0; power <= degree; power++)
    expect(integral(rule, points, (t) => t ** power)).toBeCloseTo(1 / (power + 1), 13);
  expect(Math.abs(integral(rule, points, (t) => t ** (degree + 1)) - 1 / (degree + 2))).toBeGreaterThan(1e-13);
});

it('the trapezoid of captum is too small by 1/n', () => {
  expect(integral('captum-trapezoid', 8, () => 1)).toBeCloseTo(7 / 8, 14);
});

it('many Gauss–Legendre points stay in order, inside and accurate', () => {
  const { positions } = quadrature('gauss-legendre', 1000);
  expect(positions.every((t, k) => t > (k === 0 ? 0 : positions[k - 1]!) && t < 1)).toBe(true);
  expect(integral('gauss-legendre', 1000, (t) => Math.exp(t))).toBeCloseTo(Math.E - 1, 12);
});

it('refuses too few points', () => {
  expect(() => quadrature('left', 0)).toThrow(new UsageError('steps must be a whole number, 1 or more, not 0'));
  expect(() => quadrature('trapezoid', 1)).toThrow(/^the trapezoid rule needs 2 steps or more/);
});

const rules: Readonly<Record<string, QuadratureRule>> = {
  riemann_middle: 'midpoint',
  riemann_trapezoid: 'captum-trapezoid',
  gausslegendre: 'gauss-legendre',
};

describe.skipIf(!present)(`published rules (skipped where ${FILE} is absent)`, () => {
  const given = cases.filter(({ method }) => method === 'QuadratureRule');
  it.each(given.map((one) => [one.id, one] as const))('%s', (_, { input, params, expected, tolerance }) => {
    const { positions, weights } = quadrature(rules[params.method!]!, input.n as number);
    flatten(expected.alphas!).forEach((value, k) => {
      expect(Math.abs(positions[k]! - value)).toBeLessThanOrEqual(tolerance.atol);
    });
    flatten(expected.weights!).forEach((value, k) => {
      expect(Math.abs(weights[k]! - value)).toBeLessThanOrEqual(tolerance.atol);
    });
  });

  it('there are some', () => expect(given.length).toBeGreaterThan(5));
});
