import fc from 'fast-check';
import { emptyGraph, GraphBuilder, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scalar } from '../models/batching.ts';
import { createRandom } from '../random.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { HostTensor, Program, Runtime } from '../runtime/runtime.ts';
import { balls, type Norm } from './ball.ts';
import { nearestPoint } from './testing/nearest-point.ts';

const SHAPE = [2, 1, 2, 3];
const SIZE = 6;
const NORMS = ['linf', 'l2', 'l1'] as const;

let runtime: Runtime;
const programs: Partial<Record<Norm, Program>> = {};

beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  for (const norm of NORMS) programs[norm] = await runtime.compile(ballModel(norm));
});
afterAll(() => runtime.close());

function ballModel(norm: Norm): Uint8Array {
  const g = new GraphBuilder(emptyGraph(norm));
  const [x, origin, gradient] = ['x', 'origin', 'gradient'].map((name) => g.input(name, 'float32', SHAPE));
  const [epsilon, size] = [g.input('epsilon', 'float32', []), g.input('size', 'float32', [])];
  const projected = balls[norm].project(g, x!, origin!, epsilon);
  g.output(projected, 'projected');
  g.output(balls[norm].project(g, projected, origin!, epsilon), 'twice');
  g.output(balls[norm].step(g, x!, gradient!, size), 'stepped');
  return writeModel(g.graph);
}

interface Case {
  x: Float32Array;
  origin: Float32Array;
  gradient: Float32Array;
  epsilon: number;
  size: number;
}

async function evaluate(norm: Norm, { x, origin, gradient, epsilon, size }: Case) {
  const tensor = (data: Float32Array): HostTensor => ({ dtype: 'float32', shape: SHAPE, data });
  const { fetched } = await programs[norm]!.run({
    x: tensor(x),
    origin: tensor(origin),
    gradient: tensor(gradient),
    epsilon: scalar(epsilon),
    size: scalar(size),
  });
  const images = (name: string) =>
    [0, 1].map((n) => [...(fetched[name]!.data as Float32Array)].slice(n * SIZE, (n + 1) * SIZE));
  return { projected: images('projected'), twice: images('twice'), stepped: images('stepped') };
}

const array = (min: number, max: number) =>
  fc
    .array(fc.float({ min, max, noNaN: true }), { minLength: 2 * SIZE, maxLength: 2 * SIZE })
    .map((values) => Float32Array.from(values));

/** Gradients of very different magnitudes, with zeros among them. */
const gradients = fc
  .tuple(array(-1, 1), fc.integer({ min: -25, max: 30 }), fc.boolean())
  .map(([direction, exponent, zeroFirst]) =>
    direction.map((value, i) => (zeroFirst && i < SIZE ? 0 : Math.abs(value) < 1e-3 ? 0 : value * 10 ** exponent)),
  );

const cases = fc.record({
  x: array(-3, 3),
  origin: array(0, 1),
  gradient: gradients,
  epsilon: fc.oneof(fc.constantFrom(0, 8 / 255, 10), fc.double({ min: 1e-5, max: 2, noNaN: true })),
  size: fc.double({ min: 0, max: 2, noNaN: true }),
});

const row = (data: Float32Array, n: number) => [...data.subarray(n * SIZE, (n + 1) * SIZE)];
const length2 = (values: readonly number[]) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
const lengthOf = {
  linf: (values: readonly number[]) => Math.max(...values.map(Math.abs)),
  l2: length2,
  l1: (values: readonly number[]) => values.reduce((sum, value) => sum + Math.abs(value), 0),
};
const minus = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value - b[i]!);
const furthest = (a: readonly number[], b: readonly number[]) => Math.max(...minus(a, b).map(Math.abs));

const ascent = {
  linf: (gradient: number[]) => gradient.map(Math.sign),
  l2: (gradient: number[]) => {
    const top = Math.max(...gradient.map(Math.abs));
    if (top === 0) return gradient;
    const scaled = gradient.map((value) => value / top);
    return scaled.map((value) => value / length2(scaled));
  },
  l1: (gradient: number[]) => {
    const top = Math.max(...gradient.map(Math.abs));
    const share = 1 / gradient.filter((value) => Math.abs(value) === top).length;
    return gradient.map((value) => (top > 0 && Math.abs(value) === top ? share * Math.sign(value) : 0));
  },
};

describe.each(NORMS)('%s ball', (norm) => {
  it('projects into ball and box, to the nearest point, and a second time changes nothing', () =>
    fc.assert(
      fc.asyncProperty(cases, async (given) => {
        const { projected, twice } = await evaluate(norm, given);
        for (const n of [0, 1]) {
          const [x, origin] = [row(given.x, n), row(given.origin, n)];
          // The threshold of the l1 ball is as large as |x − origin|, whose rounding error it has.
          const rounding = norm === 'l1' ? 4e-6 : 1e-7;
          expect(lengthOf[norm](minus(projected[n]!, origin))).toBeLessThanOrEqual(
            given.epsilon * (1 + 1e-6) + rounding,
          );
          expect(projected[n]!.every((value) => value >= 0 && value <= 1)).toBe(true);
          expect(furthest(projected[n]!, nearestPoint(norm, x, origin, given.epsilon))).toBeLessThan(
            norm === 'l1' ? 2e-6 : 1e-6,
          );
          expect(furthest(twice[n]!, projected[n]!)).toBeLessThan(norm === 'l1' ? 2e-6 : 2e-7);
        }
      }),
      { numRuns: 150 },
    ));

  it('steps along the direction of steepest ascent, each image by the size; without a gradient, not at all', () =>
    fc.assert(
      fc.asyncProperty(cases, async (given) => {
        const { stepped } = await evaluate(norm, given);
        for (const n of [0, 1]) {
          const x = row(given.x, n);
          const direction = ascent[norm](row(given.gradient, n));
          const expected = x.map((value, i) => value + given.size * direction[i]!);
          expect(furthest(stepped[n]!, expected)).toBeLessThan(2e-6);
          if (direction.every((value) => value === 0)) expect(furthest(stepped[n]!, x)).toBe(0);
        }
      }),
      { numRuns: 150 },
    ));

  it('draws random points inside, all through the ball', () => {
    const epsilon = 0.5;
    const lengths = Array.from({ length: 500 }, (_, i) => {
      const delta = new Float32Array(SIZE);
      balls[norm].randomPoint(delta, epsilon, createRandom(1, i));
      return lengthOf[norm]([...delta]) / epsilon;
    });
    expect(Math.max(...lengths)).toBeLessThanOrEqual(1 + 1e-6);
    // The share of the volume within r is rⁿ, so rⁿ is uniform: mean 1/2, standard error 0.013.
    const mean = lengths.reduce((sum, length) => sum + length ** SIZE, 0) / lengths.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.05);
  });

  it('measures distances', () => {
    const a = Float32Array.of(0, 0.5, 1);
    const b = Float32Array.of(0.25, 0.5, 0.5);
    expect(balls[norm].distance(a, b)).toBe({ linf: 0.5, l2: Math.sqrt(0.3125), l1: 0.75 }[norm]);
  });
});

it.each(NORMS)('a gradient that is not finite leaves the step finite (%s)', async (norm) => {
  const gradient = Float32Array.of(
    Number.POSITIVE_INFINITY,
    -1,
    0,
    Number.NaN,
    Number.NEGATIVE_INFINITY,
    1,
    0,
    0,
    3,
    0,
    0,
    Number.NaN,
  );
  const x = new Float32Array(2 * SIZE).fill(0.5);
  const { stepped } = await evaluate(norm, { x, origin: x, gradient, epsilon: 1, size: 0.1 });
  const moves = stepped.map((values) => values.map((value) => Math.round((value - 0.5) * 1e4) / 1e3));
  const half = Math.round(1e3 / Math.SQRT2) / 1e3;
  const first = { linf: [1, -1, 0, 0, -1, 1], l2: [half, 0, 0, 0, -half, 0], l1: [0.5, 0, 0, 0, -0.5, 0] };
  expect(moves).toEqual([first[norm], [0, 0, 1, 0, 0, 0]]);
});

it('random points of the l1 ball have a radius distributed as r^M', () => {
  const [size, points] = [5, 4000];
  const point = new Float32Array(size);
  const radii = Array.from({ length: points }, (_, i) => {
    balls.l1.randomPoint(point, 2, createRandom(1, i));
    return point.reduce((sum, value) => sum + Math.abs(value), 0) / 2;
  });
  expect(Math.max(...radii)).toBeLessThanOrEqual(1 + 1e-6);
  // P(radius ≤ r) = r^size; three standard errors of a share of 4000 draws are below 0.024.
  for (const r of [0.6, 0.8, 0.9, 0.95])
    expect(Math.abs(radii.filter((radius) => radius <= r).length / points - r ** size)).toBeLessThan(0.024);
});
