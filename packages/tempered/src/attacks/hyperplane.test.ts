import fc from 'fast-check';
import { emptyGraph, GraphBuilder, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Program, Runtime } from '../runtime/runtime.ts';
import { stepToHyperplane } from './hyperplane.ts';
import { smallestAcross } from './testing/affine-benchmark.ts';

const ROWS = 8;
const SIZE = 12;

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const pixel = fc.oneof(
  fc.constantFrom(0, 1),
  fc.integer({ min: 0, max: 1000 }).map((k) => Math.fround(k / 1000)),
);
const weight = fc.oneof(
  fc.constant(0),
  fc.integer({ min: -200, max: 200 }).map((k) => Math.fround(k / 100)),
);
const problem = fc.record({
  x: fc.array(pixel, { minLength: SIZE, maxLength: SIZE }),
  w: fc.array(weight, { minLength: SIZE, maxLength: SIZE }),
  /** Of what the box allows; below 0, on the other side. */
  share: fc.double({ min: -0.98, max: 0.98, noNaN: true }),
});

describe.each(['linf', 'l2', 'l1'] as const)('the step to a hyperplane in %s', (norm) => {
  let program: Program;
  beforeAll(async () => {
    const g = new GraphBuilder(emptyGraph('step'));
    const x = g.input('x', 'float32', [ROWS, SIZE]);
    const w = g.input('w', 'float32', [ROWS, SIZE]);
    const step = stepToHyperplane(g, norm, x, w, g.input('gain', 'float32', [ROWS, 1]));
    g.output(step.delta, 'delta');
    g.output(step.length, 'length');
    program = await runtime.compile(writeModel(g.graph));
  });
  const run = async (x: number[][], w: number[][], gain: number[]) => {
    const feed = (data: number[], shape: number[]) => ({
      dtype: 'float32' as const,
      shape,
      data: Float32Array.from(data),
    });
    const { fetched } = await program.run({
      x: feed(x.flat(), [ROWS, SIZE]),
      w: feed(w.flat(), [ROWS, SIZE]),
      gain: feed(gain, [ROWS, 1]),
    });
    return { delta: fetched.delta!.data as Float32Array, length: fetched.length!.data as Float32Array };
  };

  it('is as short as the exact solution in double precision, and reaches the plane inside the box', () =>
    fc.assert(
      fc.asyncProperty(fc.array(problem, { minLength: ROWS, maxLength: ROWS }), async (problems) => {
        const signed = problems.map(({ w, share }) => w.map((value) => (share < 0 ? -value : value)));
        const most = problems.map(({ x }, row) =>
          signed[row]!.reduce((sum, value, i) => sum + Math.abs(value) * (value > 0 ? 1 - x[i]! : x[i]!), 0),
        );
        const gains = problems.map(({ share }, row) => Math.fround(share * most[row]!));
        const found = await run(
          problems.map(({ x }) => x),
          problems.map(({ w }) => w),
          gains,
        );
        for (const [row, { x, w }] of problems.entries()) {
          const delta = found.delta.subarray(row * SIZE, (row + 1) * SIZE);
          const exact = smallestAcross(norm, x, signed[row]!, Math.abs(gains[row]!));
          const scale = Math.max(...w.map(Math.abs), 1e-30);
          const reached = delta.reduce((sum, value, i) => sum + value * w[i]!, 0);
          expect(Math.abs(reached - gains[row]!) / scale).toBeLessThan(2e-5);
          expect(found.length[row]!).toBeLessThanOrEqual(exact.length * (1 + 1e-5) + 2e-5);
          for (const [i, value] of delta.entries()) {
            expect(x[i]! + value).toBeGreaterThan(-1e-6);
            expect(x[i]! + value).toBeLessThan(1 + 1e-6);
          }
        }
      }),
      { numRuns: 100 },
    ));

  it('goes to the corner, and says so, where the box ends before the plane; stays where there is no slope', async () => {
    const x = Array.from({ length: ROWS }, () => Array.from({ length: SIZE }, (_, i) => i / SIZE));
    const w = Array.from({ length: ROWS }, (_, row) =>
      Array.from({ length: SIZE }, () => [1, -1, 0, Number.NaN][row % 4]!),
    );
    const { delta, length } = await run(x, w, new Array(ROWS).fill(100));
    for (let row = 0; row < ROWS; row++)
      for (let i = 0; i < SIZE; i++)
        expect(delta[row * SIZE + i]!).toBeCloseTo([1 - i / SIZE, -i / SIZE, 0, 0][row % 4]!, 6);
    for (const value of length) expect(value).toBeGreaterThanOrEqual(1e6);
  });
});
