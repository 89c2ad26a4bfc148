import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { predict } from '../../models/predict.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { type AffineNorm, affineBenchmark, smallestAcross } from './affine-benchmark.ts';

const NORMS = ['linf', 'l2', 'l1'] as const;

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** The largest value of a concave function of one number ≥ 0, by golden-section search. */
function largestOf(value: (at: number) => number, upTo: number): number {
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [low, high] = [0, upTo];
  for (let i = 0; i < 200; i++) {
    const [a, b] = [high - ratio * (high - low), low + ratio * (high - low)];
    if (value(a) < value(b)) low = a;
    else high = b;
  }
  return value((low + high) / 2);
}

/**
 * Lagrange dual: the least of ‖δ‖ (l2: ½‖δ‖²) + price · (gain − w·δ) over the box, as a function of the price of the
 * constraint. It is never above the optimum, and its largest value is the optimum.
 */
function dual(norm: AffineNorm, x: readonly number[], w: readonly number[], gain: number): number {
  const edge = w.map((value, i) => (value > 0 ? 1 - x[i]! : x[i]!));
  const size = w.map(Math.abs);
  const least = (price: number): number => {
    if (norm === 'l1') return price * gain + sum(size.map((a, i) => Math.min(0, (1 - price * a) * edge[i]!)));
    if (norm === 'l2') {
      const moved = size.map((a, i) => Math.min(edge[i]!, price * a));
      return price * gain + sum(moved.map((t, i) => t * t * 0.5 - price * size[i]! * t));
    }
    const atRadius = (r: number) => r + price * (gain - sum(size.map((a, i) => a * Math.min(r, edge[i]!))));
    // Piecewise linear in the radius: the least is at 0 or at a breakpoint.
    return Math.min(...[0, ...edge].map(atRadius));
  };
  // The price is at most 1 / (the slope of the gain where it is smallest).
  const smallest = Math.min(...size);
  const best = largestOf(least, norm === 'l2' ? Math.max(...edge) / smallest : 2 / smallest);
  return norm === 'l2' ? Math.sqrt(2 * Math.max(0, best)) : best;
}

const problem = fc.integer({ min: 1, max: 8 }).chain((length) =>
  fc.record({
    x: fc.array(fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })), {
      minLength: length,
      maxLength: length,
    }),
    w: fc.array(
      fc.double({ min: 0.1, max: 2, noNaN: true }).chain((a) => fc.constantFrom(a, -a)),
      { minLength: length, maxLength: length },
    ),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
);

describe.each(NORMS)('the smallest perturbation in %s', (norm) => {
  it('reaches the gain inside the box, and the Lagrange dual leaves no gap', () =>
    fc.assert(
      fc.property(problem, ({ x, w, share }) => {
        const most = sum(w.map((value, i) => Math.abs(value) * (value > 0 ? 1 - x[i]! : x[i]!)));
        const gain = share * most;
        const { delta, length } = smallestAcross(norm, x, w, gain);
        for (const [i, value] of delta.entries()) {
          expect(x[i]! + value).toBeGreaterThanOrEqual(-1e-12);
          expect(x[i]! + value).toBeLessThanOrEqual(1 + 1e-12);
        }
        expect(sum([...delta].map((value, i) => value * w[i]!))).toBeCloseTo(gain, 10);
        expect(length).toBeCloseTo(dual(norm, x, w, gain), 6);
      }),
      { numRuns: 300 },
    ));

  it('is infinitely long where the box holds none', () => {
    expect(smallestAcross(norm, [0.5, 1], [1, 1], 0.6).length).toBe(Number.POSITIVE_INFINITY);
    expect(smallestAcross(norm, [0.5, 1], [1, -1], 1.5).length).toBeLessThan(2);
  });
});

it('in two dimensions is as short as the shortest of a fine grid', () => {
  const gain = 0.3;
  const lengths = { linf: [] as number[], l2: [] as number[], l1: [] as number[] };
  for (let a = 0; a <= 0.1 + 1e-9; a += 1e-5) {
    const b = (gain - a) / 0.5;
    lengths.linf.push(Math.max(a, b));
    lengths.l2.push(Math.hypot(a, b));
    lengths.l1.push(a + b);
  }
  for (const norm of NORMS)
    expect(smallestAcross(norm, [0.9, 0.3], [1, 0.5], gain).length).toBeCloseTo(Math.min(...lengths[norm]), 5);
});

describe('the benchmark', () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createNodeRuntime({ threads: 1 });
  });
  afterAll(() => runtime.close());

  it('has right labels, saturated pixels in one image of three, and optima like those of the published one', async () => {
    const { classifier, images, labels, optimum } = affineBenchmark(runtime);
    expect(await predict(classifier, images)).toEqual(labels);
    const saturated = Array.from(labels, (_, i) =>
      images.data.subarray(i * 36, (i + 1) * 36).some((value) => value === 0 || value === 1),
    );
    expect(saturated.filter(Boolean)).toHaveLength(20);
    const median = (values: Float64Array) => values.toSorted()[30]!;
    expect(median(optimum.linf)).toBeGreaterThan(0.015);
    expect(median(optimum.linf)).toBeLessThan(0.06);
    for (const i of labels.keys()) {
      expect(optimum.linf[i]!).toBeLessThanOrEqual(optimum.l2[i]!);
      expect(optimum.l2[i]!).toBeLessThanOrEqual(optimum.l1[i]!);
      expect(optimum.l1[i]!).toBeLessThanOrEqual(36 * optimum.linf[i]!);
    }
  });
});
