import { emptyGraph, GraphBuilder, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { HostTensor, Program, Runtime } from '../runtime/runtime.ts';
import { balls, type Norm } from './ball.ts';
import { projections } from './project.ts';
import { nearestPoint } from './testing/nearest-point.ts';

const COUNT = 12;
const SIDE = 28;
const SHAPE = [COUNT, 1, SIDE, SIDE];
const SIZE = SIDE * SIDE;

let runtime: Runtime;
const programs: Partial<Record<Norm, Program>> = {};
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  for (const norm of ['linf', 'l2', 'l1'] as const) {
    const g = new GraphBuilder(emptyGraph(norm));
    const [x, origin] = ['x', 'origin'].map((name) => g.input(name, 'float32', SHAPE));
    const epsilon = g.reshape(g.input('epsilon', 'float32', [COUNT]), [COUNT, 1, 1, 1]);
    g.output(balls[norm].project(g, x!, origin!, epsilon), 'exact');
    g.output(projections['ball-then-box'][norm](g, x!, origin!, epsilon), 'simple');
    programs[norm] = await runtime.compile(writeModel(g.graph));
  }
});
afterAll(() => runtime.close());

type Rule = (random: ReturnType<typeof createRandom>, i: number) => number;

/** Origins and displacements that make the search for the multiplier hard. */
const families: Record<string, { origin: Rule; delta: Rule }> = {
  uniform: { origin: (r) => r.uniform(), delta: (r) => r.normal() },
  'strokes: most pixels at a face of the box': {
    origin: (r) => (r.uniform() < 0.7 ? 0 : r.uniform() < 0.5 ? 1 : r.uniform()),
    delta: (r) => 0.3 * r.normal(),
  },
  'every pixel at a corner of the box': { origin: (r) => Math.round(r.uniform()), delta: (r) => r.normal() },
  'displacements in geometric progression': {
    origin: (r) => r.uniform(),
    delta: (r, i) => (r.uniform() < 0.5 ? -1 : 1) * 2 ** (-(40 * i) / SIZE),
  },
  'room in geometric progression': { origin: (r) => 2 ** (-30 * r.uniform()), delta: (r) => -r.uniform() },
  'displacements far beyond the box': { origin: (r) => r.uniform(), delta: (r) => 50 * r.normal() ** 3 },
  'one pixel far ahead of the others': {
    origin: (r) => (r.uniform() < 0.5 ? 0 : 1e-3),
    delta: (r, i) => (i === 0 ? 3 : 0.01 * r.uniform()),
  },
  'all alike': { origin: () => 0.75, delta: (_, i) => (i % 2 === 0 ? 0.3 : -0.3) },
  zeros: { origin: (r) => r.uniform(), delta: () => 0 },
};

function images(name: string, rule: (random: ReturnType<typeof createRandom>, i: number) => number): Float32Array {
  const data = new Float32Array(COUNT * SIZE);
  for (let n = 0; n < COUNT; n++) {
    const random = createRandom(1, name, n);
    for (let i = 0; i < SIZE; i++) data[n * SIZE + i] = rule(random, i);
  }
  return data;
}

const row = (data: Float32Array, n: number) => [...data.subarray(n * SIZE, (n + 1) * SIZE)];
const lengths: Record<Norm, (values: readonly number[]) => number> = {
  linf: (values) => values.reduce((top, value) => Math.max(top, Math.abs(value)), 0),
  l2: (values) => Math.hypot(...values),
  l1: (values) => values.reduce((sum, value) => sum + Math.abs(value), 0),
};

async function project(norm: Norm, name: string) {
  const { origin, delta } = families[name]!;
  const centre = images(`${name} origin`, origin);
  const x = images(`${name} delta`, delta).map((d, i) => d + centre[i]!);
  const between = (n: number) => {
    const to = row(centre, n);
    return row(x, n).map((value, i) => Math.min(1, Math.max(0, value)) - to[i]!);
  };
  // From a ball that almost vanishes to one that holds the point, and one as wide as the box.
  const epsilon = Float32Array.from({ length: COUNT }, (_, n) =>
    n === COUNT - 1 ? 1e3 : lengths[norm](between(n)) * ((n + 0.5) / (COUNT - 2)) ** 3,
  );
  const tensor = (data: Float32Array): HostTensor => ({ dtype: 'float32', shape: SHAPE, data });
  const { fetched } = await programs[norm]!.run({
    x: tensor(x),
    origin: tensor(centre),
    epsilon: { dtype: 'float32', shape: [COUNT], data: epsilon },
  });
  return { x, centre, epsilon, fetched };
}

describe.each(['linf', 'l2', 'l1'] as const)('the nearest point of the %s ball and the box', (norm) => {
  it.each(Object.keys(families))('is found to 1e-6: %s', async (name) => {
    const { x, centre, epsilon, fetched } = await project(norm, name);
    for (let n = 0; n < COUNT; n++) {
      const found = row(fetched.exact!.data as Float32Array, n);
      const [from, to] = [row(x, n), row(centre, n)];
      // A float32 sum is exact to a few units of the last place: so is the radius of the ball that the point lies on.
      const bounds = [1 - 4e-7, 1, 1 + 4e-7].map((factor) => nearestPoint(norm, from, to, factor * epsilon[n]!));
      const scale = Math.max(1, ...from.map(Math.abs));
      const errors = found.map((value, i) => {
        const candidates = bounds.map((point) => point[i]!);
        return Math.max(value - Math.max(...candidates), Math.min(...candidates) - value);
      });
      expect(Math.max(...errors)).toBeLessThan(1e-6 * scale);
      expect(found.every((value) => value >= 0 && value <= 1)).toBe(true);
      if (n === COUNT - 1) expect(found).toEqual(from.map((value) => Math.min(1, Math.max(0, value))));
    }
  });
});

it.each(['l2', 'l1'] as const)(
  'the nearest point of the %s ball alone, clipped, stays inside but is not always nearest',
  async (norm) => {
    const { x, centre, epsilon, fetched } = await project(norm, 'strokes: most pixels at a face of the box');
    let worse = 0;
    for (let n = 0; n < COUNT - 1; n++) {
      const [from, to] = [row(x, n), row(centre, n)];
      const distance = (point: readonly number[]) => lengths.l2(point.map((value, i) => value - from[i]!));
      const simple = row(fetched.simple!.data as Float32Array, n);
      expect(lengths[norm](simple.map((value, i) => value - to[i]!))).toBeLessThan(epsilon[n]! * (1 + 1e-5));
      if (distance(simple) > distance(nearestPoint(norm, from, to, epsilon[n]!)) * (1 + 1e-4)) worse += 1;
    }
    expect(worse).toBeGreaterThan(5);
  },
);
