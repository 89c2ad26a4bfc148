import { emptyGraph, GraphBuilder, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRandom } from '../../random.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { frankWolfeStep } from './frank-wolfe.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

it('goes to the vertex that no point of ball and box beats, by the share asked for', async () => {
  const [count, size] = [3, 40];
  const random = createRandom(4);
  const draw = (shape: readonly number[], value: () => number) => ({
    dtype: 'float32' as const,
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, value),
  });
  const feeds = {
    point: draw([count, size], () => 0.01 * random.normal()),
    ascent: draw([count, size], () => random.normal()),
    room: draw([count, size], () => random.uniform()),
    epsilon: { dtype: 'float32' as const, shape: [count], data: Float32Array.of(0.3, 4, 1000) },
    size: { dtype: 'float32' as const, shape: [count], data: Float32Array.of(0.3, 1, 1000) },
  };
  feeds.ascent.data[5] = Number.NaN;
  feeds.ascent.data[6] = 0;
  const g = new GraphBuilder(emptyGraph('step'));
  const [point, ascent, room, epsilon, step] = Object.entries(feeds).map(([name, { shape }]) =>
    g.input(name, 'float32', shape),
  );
  g.output(frankWolfeStep(g, point!, ascent!, room!, epsilon!, step!), 'next');
  const program = await runtime.compile(writeModel(g.graph));
  const next = (await program.run(feeds)).fetched.next!.data as Float32Array;
  for (let n = 0; n < count; n++) {
    const row = (data: Float32Array) => data.subarray(n * size, (n + 1) * size);
    const slopes = row(feeds.ascent.data);
    let left = feeds.epsilon.data[n]!;
    const vertex = new Float64Array(size);
    const steepest = Array.from(slopes.keys()).sort((a, b) => Math.abs(slopes[b]! || 0) - Math.abs(slopes[a]! || 0));
    for (const i of steepest) {
      const taken = slopes[i]! ? Math.min(left, row(feeds.room.data)[i]!) : 0;
      vertex[i] = Math.sign(slopes[i]!) * taken || 0;
      left -= taken;
    }
    const share = feeds.size.data[n]! / feeds.epsilon.data[n]!;
    const from = row(feeds.point.data);
    for (let i = 0; i < size; i++) expect(row(next)[i]).toBeCloseTo(from[i]! + share * (vertex[i]! - from[i]!), 5);
  }
});
