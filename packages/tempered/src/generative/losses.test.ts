import { emptyGraph, GraphBuilder, type Value, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { drawCode, klDivergence, logComplement, logProbability, reconstructionError } from './losses.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

type Array2 = readonly (readonly number[])[];

async function evaluate(
  inputs: readonly Array2[],
  write: (g: GraphBuilder, values: Value[]) => Value,
): Promise<number[]> {
  const g = new GraphBuilder(emptyGraph('loss'));
  const shapes = inputs.map((rows) => [rows.length, rows[0]!.length]);
  const values = shapes.map((shape, i) => g.input(`x${i}`, 'float32', shape));
  g.output(write(g, values), 'result');
  const program = await runtime.compile(writeModel(g.graph));
  const feeds = inputs.map((rows, i) => [
    `x${i}`,
    { dtype: 'float32' as const, shape: shapes[i]!, data: Float32Array.from(rows.flat()) },
  ]);
  const { fetched } = await program.run(Object.fromEntries(feeds));
  return Array.from(fetched.result!.data, Number);
}

it('Kullback-Leibler divergence is that of two normal distributions, by quadrature', async () => {
  const [mean, logVariance] = [
    [
      [0, 1.5],
      [-2, 0.3],
    ],
    [
      [0, -1],
      [0.7, 0.1],
    ],
  ];
  const density = (x: number, m: number, s: number) =>
    Math.exp(-0.5 * ((x - m) / s) ** 2) / (s * Math.sqrt(2 * Math.PI));
  const oneAxis = (m: number, s: number) => {
    let sum = 0;
    const width = 1e-3;
    for (let x = m - 12 * s; x < m + 12 * s; x += width) {
      const p = density(x, m, s);
      // log q written out: q underflows in the tails.
      const logQ = -0.5 * x * x - 0.5 * Math.log(2 * Math.PI);
      if (p > 0) sum += p * (Math.log(p) - logQ) * width;
    }
    return sum;
  };
  const expected = mean.map((row, i) =>
    row.reduce((sum, m, k) => sum + oneAxis(m, Math.exp(logVariance[i]![k]! / 2)), 0),
  );
  const found = await evaluate([mean, logVariance], (g, [m, v]) => klDivergence(g, m!, v!));
  found.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 3);
  });
});

it('reconstruction error sums absolute differences on the scale of [-1, 1]', async () => {
  const images = [
    [0, 0.5, 1],
    [0.25, 0.25, 0.25],
  ];
  const reconstructed = [
    [1, 0.5, 0.75],
    [0.25, 0, 1],
  ];
  const found = await evaluate([images, reconstructed], (g, [a, b]) => reconstructionError(g, a!, b!));
  expect(found).toEqual([2 * 1.25, 2 * 1]);
});

it('logarithms of probabilities stay finite at 0 and 1', async () => {
  const probabilities = [[0], [0.25], [1]];
  const [right, wrong] = [logProbability, logComplement];
  expect(await evaluate([probabilities], (g, [p]) => right(g, p!))).toEqual([
    expect.closeTo(Math.log(1e-8), 4),
    expect.closeTo(Math.log(0.25), 5),
    expect.closeTo(0, 5),
  ]);
  expect(await evaluate([probabilities], (g, [p]) => wrong(g, p!))).toEqual([
    expect.closeTo(0, 5),
    expect.closeTo(Math.log(0.75), 5),
    expect.closeTo(Math.log(1e-8), 4),
  ]);
});

it('codes are drawn with the standard deviation e^(log σ² / 2)', async () => {
  const found = await evaluate([[[1, 2]], [[0, Math.log(4)]], [[-1, 0.5]]], (g, [m, v, e]) => drawCode(g, m!, v!, e!));
  expect(found).toEqual([0, 3]);
});
