import { emptyGraph, GraphBuilder, gradient, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../random.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { sampleAlongFlow } from './bilinear.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const [C, H, W] = [2, 5, 4];
const random = createRandom(5);
const x = Float32Array.from({ length: C * H * W }, () => random.uniform());
const weights = Float32Array.from({ length: C * H * W }, () => random.normal());

type Outside = 'zero' | 'edge';

/** The definition, in double precision. */
function reference(flow: ArrayLike<number>, outside: Outside): number[] {
  const pixel = (c: number, i: number, j: number) => {
    if (outside === 'edge') return x[(c * H + Math.min(H - 1, Math.max(0, i))) * W + Math.min(W - 1, Math.max(0, j))]!;
    return i < 0 || j < 0 || i >= H || j >= W ? 0 : x[(c * H + i) * W + j]!;
  };
  return Array.from({ length: C * H * W }, (_, at) => {
    const [c, i, j] = [Math.floor(at / (H * W)), Math.floor(at / W) % H, at % W];
    const [row, column] = [i + flow[i * W + j]!, j + flow[H * W + i * W + j]!];
    const [r, k] = [Math.floor(row), Math.floor(column)];
    const [p, q] = [row - r, column - k];
    return (
      (1 - p) * ((1 - q) * pixel(c, r, k) + q * pixel(c, r, k + 1)) +
      p * ((1 - q) * pixel(c, r + 1, k) + q * pixel(c, r + 1, k + 1))
    );
  });
}

async function evaluate(flow: Float32Array, outside: Outside) {
  const g = new GraphBuilder(emptyGraph('sample'));
  const image = g.input('x', 'float32', [1, C, H, W]);
  const field = g.input('flow', 'float32', [1, 2, H, W]);
  const sampled = sampleAlongFlow(g, image, field, outside);
  const cotangent = g.constant(Array.from(weights), [1, C, H, W]);
  const [dflow, dx] = gradient(g, { of: sampled, wrt: [field, image], cotangent });
  g.output(sampled, 'sampled');
  g.output(dflow!, 'dflow');
  g.output(dx!, 'dx');
  const program = await runtime.compile(writeModel(g.graph));
  const { fetched } = await program.run({
    x: { dtype: 'float32', shape: [1, C, H, W], data: x },
    flow: { dtype: 'float32', shape: [1, 2, H, W], data: flow },
  });
  return { sampled: fetched.sampled!.data, dflow: fetched.dflow!.data, dx: fetched.dx!.data };
}

/** Displacements of up to `size` pixels, none of which ends near a pixel's row or column, where the slope changes. */
const flowOf = (size: number) =>
  Float32Array.from({ length: 2 * H * W }, () => {
    const shift = size * (2 * random.uniform() - 1);
    return Math.floor(shift) + 0.1 + 0.8 * (shift - Math.floor(shift));
  });

describe.each(['zero', 'edge'] as const)('sampling along a flow, %s beyond the border', (outside) => {
  it.each([0.5, 3, 20])('agrees with the definition for displacements up to %f', async (size) => {
    const flow = flowOf(size);
    const { sampled } = await evaluate(flow, outside);
    const expected = reference(flow, outside);
    expect(Math.max(...expected.map((value, i) => Math.abs(value - Number(sampled[i]))))).toBeLessThan(2e-6);
  });

  it('leaves the image alone without a flow', async () => {
    const { sampled } = await evaluate(new Float32Array(2 * H * W), outside);
    expect([...sampled]).toEqual([...x]);
  });

  it('has the exact gradient in the flow: central differences in double precision', async () => {
    const flow = flowOf(1.5);
    const { dflow } = await evaluate(flow, outside);
    const value = (at: Float64Array) => reference(at, outside).reduce((sum, pixel, i) => sum + pixel * weights[i]!, 0);
    for (let i = 0; i < flow.length; i++) {
      const [above, below] = [1e-4, -1e-4].map((h) => {
        const moved = Float64Array.from(flow);
        moved[i]! += h;
        return value(moved);
      }) as [number, number];
      expect(Number(dflow[i])).toBeCloseTo((above - below) / 2e-4, 4);
    }
  });

  it('has the exact gradient in the image, in which it is linear', async () => {
    const { sampled, dx } = await evaluate(flowOf(1.5), outside);
    const dot = (a: ArrayLike<unknown>, b: ArrayLike<unknown>) =>
      Array.from(a).reduce<number>((sum, value, i) => sum + Number(value) * Number(b[i]), 0);
    expect(dot(dx, x)).toBeCloseTo(dot(sampled, weights), 4);
  });
});
