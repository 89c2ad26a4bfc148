/** @file Checks the double-precision evaluator against ONNX Runtime on graphs of a node or a few. */
import { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { expect } from 'vitest';
import { type AttributeInput, GraphBuilder } from '../builder.ts';
import { type NumericArray, toNumeric, toTensor } from '../evaluate/array.ts';
import { evaluateGraph } from '../evaluate/evaluate-graph.ts';
import { type DataType, type Graph, sizeOf, type Tensor } from '../graph.ts';
import { writeModel } from '../write.ts';
import { testNumbers } from './check-rule.ts';

export interface OperatorInput {
  shape: readonly number[];
  /** Pseudo-random in (−1, 1) when left out. */
  data?: readonly number[];
  dtype?: DataType;
  /** Written into the graph as a constant instead of fed. */
  constant?: boolean;
}

export interface OperatorCase {
  op: string;
  inputs: readonly (OperatorInput | undefined)[];
  attributes?: Record<string, AttributeInput>;
  outputCount?: number;
  /** Largest |ours − theirs| / max(1, |theirs|), default 1e-5. */
  tolerance?: number;
}

/** The array of a test input. */
export function inputArray({ shape, data, dtype = 'float32' }: OperatorInput, seed: number): NumericArray {
  return { dtype, shape, data: Float64Array.from(data ?? testNumbers(sizeOf(shape), seed)) };
}

/** Runs a graph in ONNX Runtime on the CPU, without graph optimisation, and returns its outputs by name. */
export async function runInOnnxRuntime(
  graph: Graph,
  feeds: Record<string, NumericArray>,
): Promise<Record<string, NumericArray>> {
  const session = await InferenceSession.create(writeModel(graph), {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'disabled',
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  try {
    const tensors = Object.entries(feeds).map(([name, array]) => {
      const { dtype, shape, data } = toTensor(array);
      return [name, new RuntimeTensor(dtype as 'float32', data as Float32Array, shape)] as const;
    });
    const results = await session.run(Object.fromEntries(tensors));
    return Object.fromEntries(
      Object.entries(results).map(([name, { type, dims, data }]) => {
        return [name, toNumeric({ dtype: type as DataType, shape: dims, data: data as Tensor['data'] })];
      }),
    );
  } finally {
    await session.release();
  }
}

/** One node: our types, shapes and values of every output must be those of ONNX Runtime. */
export async function checkAgainstOnnxRuntime(test: OperatorCase): Promise<void> {
  const g = new GraphBuilder();
  const feeds: Record<string, NumericArray> = {};
  const inputs = test.inputs.map((input, i) => {
    if (input === undefined) return undefined;
    const array = inputArray(input, i + 1);
    if (input.constant) return g.tensor(toTensor(array));
    feeds[`x${i}`] = array;
    return g.input(`x${i}`, array.dtype, array.shape);
  });
  const outputs = g.node(test.op, inputs, test.attributes ?? {}, test.outputCount ?? 1);
  for (const output of outputs) g.output(output);
  const ours = evaluateGraph(g.graph, feeds);
  const theirs = await runInOnnxRuntime(g.graph, feeds);
  for (const output of outputs) {
    const label = `${test.op} ${JSON.stringify(test.attributes ?? {})}, output ${output.name}`;
    expectClose(ours.get(output.name)!, theirs[output.name]!, label, test.tolerance);
    expect([output.dtype, ...output.shape], label).toEqual([theirs[output.name]!.dtype, ...theirs[output.name]!.shape]);
  }
}

/** Same shape, and the same numbers up to `tolerance` · max(1, |expected|). */
export function expectClose(actual: NumericArray, expected: NumericArray, label: string, tolerance = 1e-5): void {
  expect(actual.shape, label).toEqual(expected.shape);
  const differences = Array.from(expected.data, (value, i) => {
    const own = actual.data[i]!;
    return Object.is(own, value) ? 0 : Math.abs(own - value) / Math.max(1, Math.abs(value));
  });
  // Not `difference > tolerance`: NaN must not pass.
  expect(differences.filter((difference) => !(difference <= tolerance)).slice(0, 5), label).toEqual([]);
}
