/** @file Timing on noisy machines: rounds that interleave everything that is compared, and the median of each. */
import { emptyGraph, GraphBuilder, writeModel } from 'onnx-grad';

const SIDE = 1024;

/**
 * A product of two 1024 × 1024 matrices on the runtime: the yardstick of every rate.
 * @param {import('tempered').Runtime} runtime
 */
export async function matmulYardstick(runtime) {
  const g = new GraphBuilder(emptyGraph('matmul'));
  const [a, b] = ['a', 'b'].map((name) => g.input(name, 'float32', [SIDE, SIDE]));
  g.output(g.matmul(/** @type {any} */ (a), /** @type {any} */ (b)), 'product');
  const program = await runtime.compile(writeModel(g.graph), { label: 'matmul' });
  const data = Float32Array.from({ length: SIDE * SIDE }, (_, i) => Math.sin(i));
  const [left, right] = await Promise.all(
    [0, 1].map(() => runtime.upload({ dtype: 'float32', shape: [SIDE, SIDE], data })),
  );
  return {
    flops: 2 * SIDE ** 3,
    run: async () => {
      const { kept } = await program.run(
        { a: /** @type {any} */ (left), b: /** @type {any} */ (right) },
        { fetch: [], keep: ['product'] },
      );
      kept.product?.release();
    },
  };
}

/**
 * Runs every task once a round, for `rounds` rounds after one to warm up.
 * @param {Record<string, () => Promise<void>>} tasks
 * @param {number} rounds
 * @returns {Promise<Record<string, number>>} median seconds of each
 */
export async function medians(tasks, rounds) {
  /** @type {Record<string, number[]>} */
  const times = Object.fromEntries(Object.keys(tasks).map((name) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, task] of Object.entries(tasks)) {
      const start = performance.now();
      await task();
      if (round > 0) times[name]?.push((performance.now() - start) / 1000);
    }
  }
  return Object.fromEntries(
    Object.entries(times).map(([name, values]) => [
      name,
      values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN,
    ]),
  );
}
