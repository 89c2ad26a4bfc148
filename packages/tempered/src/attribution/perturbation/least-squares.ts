/** @file Linear systems of some hundreds of unknowns, solved directly. */
import { UsageError } from '../../errors.ts';

/** A matrix of 32 MB, factorised within seconds. */
const MOST_UNKNOWNS = 2000;

/** Throws a UsageError when a system has more unknowns than can be solved for in reasonable time. */
export function checkUnknowns(method: string, unknowns: number): void {
  if (unknowns > MOST_UNKNOWNS)
    throw new UsageError(
      `${method} solves for at most ${MOST_UNKNOWNS} features, not ${unknowns}: take superpixels or squares, or sample Shapley values`,
    );
}

/**
 * The lower triangle L with A = L Lᵀ of a symmetric matrix [n, n], row by row; undefined when A is not positive definite
 * to working precision.
 */
export function cholesky(matrix: Float64Array, n: number): Float64Array | undefined {
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= lower[i * n + k]! * lower[j * n + k]!;
      if (i !== j) lower[i * n + j] = sum / lower[j * n + j]!;
      else if (sum > matrix[i * n + i]! * n * Number.EPSILON) lower[i * n + i] = Math.sqrt(sum);
      else return undefined;
    }
  }
  return lower;
}

/** x with L Lᵀ x = right. */
export function solveWith(lower: Float64Array, right: Float64Array): Float64Array {
  const n = right.length;
  const x = right.slice();
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i]! -= lower[i * n + k]! * x[k]!;
    x[i]! /= lower[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i]! -= lower[k * n + i]! * x[k]!;
    x[i]! /= lower[i * n + i]!;
  }
  return x;
}

/** Adds weight · v vᵀ to the lower triangle of a symmetric matrix. */
export function addOuter(matrix: Float64Array, v: ArrayLike<number>, weight: number): void {
  const n = v.length;
  for (let i = 0; i < n; i++) {
    const scaled = weight * v[i]!;
    if (scaled === 0) continue;
    for (let j = 0; j <= i; j++) matrix[i * n + j]! += scaled * v[j]!;
  }
}

/** The product of two vectors. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
