/** @file Affine classifiers on images in a box, with the smallest perturbations that change the class, solved exactly. */
import { Classifier } from '../../models/classifier.ts';
import { affineModel } from '../../models/testing/small-models.ts';
import { createRandom } from '../../random.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { rows, sizeOf, type Tensor } from '../../tensor.ts';

export type AffineNorm = 'linf' | 'l2' | 'l1';

/** A perturbation in double precision. */
export interface Smallest {
  readonly delta: Float64Array;
  readonly length: number;
}

export interface AffineBenchmark {
  readonly classifier: Classifier;
  /** [N, C, H, W] in [0, 1]. */
  readonly images: Tensor;
  /** What the classifier predicts, [N]. */
  readonly labels: Int32Array;
  /** Length of the smallest perturbation to another class inside the box, [N]: no attack can succeed below it. */
  readonly optimum: Readonly<Record<AffineNorm, Float64Array>>;
}

export interface AffineBenchmarkOptions {
  /** Default 60. */
  count?: number;
  /** Default 10. */
  classes?: number;
  /** Default [1, 6, 6]. */
  shape?: readonly number[];
  /** Default 1. */
  seed?: number;
}

/**
 * Normal random weights and uniform random images; in one image of three, half of the pixels are 0 or 1.
 *
 * @example
 * const { classifier, images, labels, optimum } = affineBenchmark(runtime);
 * const epsilon = optimum.l2.map((length) => 1.01 * length);
 */
export function affineBenchmark(
  runtime: Runtime,
  { count = 60, classes = 10, shape = [1, 6, 6], seed = 1 }: AffineBenchmarkOptions = {},
): AffineBenchmark {
  const size = sizeOf(shape);
  const normal = (length: number, deviation: number, name: string, row = 0): number[] => {
    const data = new Float32Array(length);
    createRandom(seed, name, row).fillNormal(data, 0, deviation);
    return [...data];
  };
  const weights = Array.from({ length: classes }, (_, k) => normal(size, 1, 'weight', k));
  // In the middle of the box the logits are all near 0, so that every class is predicted for some image.
  const bias = normal(classes, 0.3, 'bias').map((value, k) => value - weights[k]!.reduce((a, b) => a + b, 0) / 2);
  const images = { shape: [count, ...shape], data: new Float32Array(count * size) };
  for (let i = 0; i < count; i++) fillImage(rows(images, i, i + 1).data, i % 3 === 2, seed, i);
  const points = Array.from({ length: count }, (_, i) => rows(images, i, i + 1).data);
  const labels = Int32Array.from(points, (x) => largest(logitsOf(weights, bias, x)));
  const optima = (norm: AffineNorm) =>
    Float64Array.from(points, (x, i) => smallestOver(norm, weights, bias, x, labels[i]!).length);
  return {
    classifier: new Classifier(affineModel(shape, weights, bias), runtime),
    images,
    labels,
    optimum: { linf: optima('linf'), l2: optima('l2'), l1: optima('l1') },
  };
}

function fillImage(x: Float32Array, saturated: boolean, seed: number, index: number): void {
  const random = createRandom(seed, 'image', index);
  random.fillUniform(x, 0, 1);
  if (!saturated) return;
  for (let i = 0; i < x.length; i++) if (random.uniform() < 0.5) x[i] = random.integer(2);
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};

const logitsOf = (weights: readonly (readonly number[])[], bias: readonly number[], x: Float32Array): number[] =>
  weights.map((row, k) => dot(row, x) + bias[k]!);

const largest = (values: readonly number[]): number => values.indexOf(Math.max(...values));

/** The smallest perturbation to any class but `label`. */
function smallestOver(
  norm: AffineNorm,
  weights: readonly (readonly number[])[],
  bias: readonly number[],
  x: Float32Array,
  label: number,
): Smallest {
  const logits = logitsOf(weights, bias, x);
  const rivals = weights.flatMap((row, k) => (k === label ? [] : [{ row, gain: logits[label]! - logits[k]! }]));
  return rivals
    .map(({ row, gain }) =>
      smallestAcross(
        norm,
        x,
        row.map((value, i) => value - weights[label]![i]!),
        gain,
      ),
    )
    .reduce((best, next) => (next.length < best.length ? next : best));
}

/**
 * The smallest perturbation of x, inside [0, 1], with w · delta = gain (≥ 0); of infinite length where there is none.
 * Every pixel moves along the sign of its weight, by at most its way to the edge of the box. How far each of them
 * moves depends on one number, at whose breakpoints the gain is evaluated one after another:
 * linf: all by the same, up to their edges; l2: in proportion to |w|, up to their edges (Karush-Kuhn-Tucker conditions
 * of the quadratic program); l1: to the edge, in order of |w|, the last one part of the way (fractional knapsack).
 */
export function smallestAcross(norm: AffineNorm, x: ArrayLike<number>, w: readonly number[], gain: number): Smallest {
  const edge = w.map((value, i) => (value > 0 ? 1 - x[i]! : x[i]!));
  const size = w.map(Math.abs);
  const used = w.flatMap((value, i) => (value !== 0 && edge[i]! > 0 ? [i] : []));
  const delta = new Float64Array(w.length);
  const reachable = used.reduce((sum, i) => sum + size[i]! * edge[i]!, 0);
  if (reachable < gain) return { delta, length: Number.POSITIVE_INFINITY };
  const moved = new Float64Array(w.length);
  if (norm === 'l1') {
    let left = gain;
    for (const i of used.sort((a, b) => size[b]! - size[a]!)) {
      moved[i] = Math.min(edge[i]!, left / size[i]!);
      left = Math.max(0, left - size[i]! * moved[i]!);
    }
  } else {
    // Pixel i moves by min(edge, t · rate) and is at its edge from t = edge / rate on.
    const rate = norm === 'linf' ? size.map(() => 1) : size;
    const free = used.sort((a, b) => edge[a]! / rate[a]! - edge[b]! / rate[b]!);
    let fixed = 0;
    let slope = free.reduce((sum, i) => sum + size[i]! * rate[i]!, 0);
    let t = gain / slope;
    for (const [rank, i] of free.entries()) {
      t = (gain - fixed) / slope;
      if (rank === free.length - 1 || t * rate[i]! <= edge[i]!) break;
      fixed += size[i]! * edge[i]!;
      slope -= size[i]! * rate[i]!;
    }
    for (const i of free) moved[i] = Math.min(edge[i]!, t * rate[i]!);
  }
  for (const i of used) delta[i] = Math.sign(w[i]!) * moved[i]!;
  return { delta, length: lengthOf(norm, moved) };
}

function lengthOf(norm: AffineNorm, delta: Float64Array): number {
  if (norm === 'linf') return delta.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
  if (norm === 'l1') return delta.reduce((sum, value) => sum + Math.abs(value), 0);
  return Math.sqrt(dot(delta, delta));
}
