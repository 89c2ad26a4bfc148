import { emptyGraph, GraphBuilder, gradient, type Value, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { HostTensor, Runtime } from '../runtime/runtime.ts';
import { sizeOf } from '../tensor.ts';
import { type Lbfgs, lbfgsStart, lbfgsStep } from './lbfgs.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

/** Minimises `objective`, [N] from [N, D], from the rows of `start`; returns the objective after each step. */
async function minimise(
  start: readonly (readonly number[])[],
  objective: (g: GraphBuilder, x: Value) => Value,
  { steps, memory = 5 }: { steps: number; memory?: number },
) {
  const [count, size] = [start.length, start[0]!.length];
  const shapes = lbfgsStart(count, size, memory);
  const names = Object.keys(shapes) as (keyof Lbfgs)[];
  const g = new GraphBuilder(emptyGraph('lbfgs'));
  const state = Object.fromEntries(names.map((name) => [name, g.input(name, 'float32', shapes[name].shape)]));
  const value = objective(g, state.trial!);
  const [slope] = gradient(g, { of: value, wrt: [state.trial!] });
  const next = lbfgsStep(g, state as Record<keyof Lbfgs, Value>, g.reshape(value, [count, 1]), slope!, g.constant(1));
  for (const name of names) g.output(next[name], `${name}_next`);
  const program = await runtime.compile(writeModel(g.graph));
  let now: Record<string, HostTensor> = Object.fromEntries(
    names.map((name) => {
      const { shape, fill } = shapes[name];
      const data = new Float32Array(sizeOf(shape)).fill(fill);
      if (name === 'trial' || name === 'point') data.set(start.flat());
      return [name, { dtype: 'float32', shape, data }];
    }),
  );
  const values: number[][] = [];
  for (let step = 0; step < steps; step++) {
    const { fetched } = await program.run(now);
    now = Object.fromEntries(names.map((name) => [name, fetched[`${name}_next`]!]));
    values.push([...(now.value!.data as Float32Array)]);
  }
  const points = now.point!.data as Float32Array;
  return { values, points: start.map((_, n) => [...points.subarray(n * size, (n + 1) * size)]) };
}

const column = (g: GraphBuilder, x: Value, i: number) =>
  g.squeeze(g.slice(x, { starts: [i], ends: [i + 1], axes: [1] }), [1]);
/** (1 − a)² + 100 (b − a²)², whose minimum is at (1, 1). */
const rosenbrock = (g: GraphBuilder, x: Value) => {
  const [a, b] = [column(g, x, 0), column(g, x, 1)];
  return g.add(g.square(g.offset(g.neg(a), 1)), g.scale(g.square(g.sub(b, g.square(a))), 100));
};

describe('L-BFGS', () => {
  it('finds the minimum of an ill-conditioned quadratic', async () => {
    const curvatures = [1, 10, 100, 1000];
    const quadratic = (g: GraphBuilder, x: Value) =>
      g.reduceSum(g.mul(g.constant(curvatures, [1, 4]), g.square(g.offset(x, -2))), [1]);
    const { points } = await minimise([[0, 0, 0, 0]], quadratic, { steps: 60 });
    for (const value of points[0]!) expect(value).toBeCloseTo(2, 3);
  });

  it('finds the end of a curved valley from several starts, and never rises', async () => {
    const { points, values } = await minimise(
      [
        [-1.2, 1],
        [0, 0],
        [2, -1],
      ],
      rosenbrock,
      { steps: 120 },
    );
    for (const point of points) for (const value of point) expect(value).toBeCloseTo(1, 2);
    for (let step = 1; step < values.length; step++)
      for (const [n, value] of values[step]!.entries()) expect(value).toBeLessThanOrEqual(values[step - 1]![n]!);
  });

  it('solves each row by itself', async () => {
    const starts = [
      [-1.2, 1],
      [2, -1],
    ];
    const together = await minimise(starts, rosenbrock, { steps: 25, memory: 1 });
    for (const [n, start] of starts.entries())
      expect((await minimise([start], rosenbrock, { steps: 25, memory: 1 })).points[0]).toEqual(together.points[n]);
  });

  it('rests where the gradient is 0', async () => {
    const { points } = await minimise([[1, 1]], rosenbrock, { steps: 3 });
    expect(points).toEqual([[1, 1]]);
  });
});
