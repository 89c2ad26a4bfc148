/** @file What the rules of elementwise operators and reductions emit is valid ONNX: ONNX Runtime computes the same. */
import { describe, it } from 'vitest';
import { type AttributeInput, GraphBuilder } from '../builder.ts';
import type { NumericArray } from '../evaluate/array.ts';
import { evaluateGraph } from '../evaluate/evaluate-graph.ts';
import { gradient } from '../gradient.ts';
import { sizeOf } from '../graph.ts';
import { testNumbers } from '../testing/check-rule.ts';
import { expectClose, runInOnnxRuntime } from '../testing/onnxruntime.ts';
import type { Value } from '../value.ts';

/** A shape to be fed, or integers that are constant. */
type Input = readonly number[] | { integers: number[] };
interface Case {
  op: string;
  inputs: readonly (Input | undefined)[];
  attributes?: Record<string, AttributeInput>;
  /** Inputs are in offset ± 0.6. */
  offset?: number;
  outputCount?: number;
}

const SHAPE = [2, 3, 4];
const AXES = { integers: [1] };
const each = (ops: string, inputs: readonly (Input | undefined)[], offset?: number): Case[] =>
  ops.split(' ').map((op) => ({ op, inputs, offset }));

const cases: Case[] = [
  ...each('Add Sub Mul Div Pow Max Min Sum Mean', [SHAPE, [3, 1]], 0.9),
  ...each('Max Min Sum Mean', [SHAPE, [3, 1], []]),
  { op: 'Mod', inputs: [SHAPE, [3, 1]], attributes: { fmod: 1 }, offset: 0.9 },
  ...each('Neg Abs Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Atanh Erf Exp', [SHAPE]),
  ...each('Reciprocal Sqrt Log', [SHAPE], 0.9),
  ...each('Acosh', [SHAPE], 1.9),
  ...each('Relu Sigmoid Tanh Softplus Softsign Mish HardSwish HardSigmoid LeakyRelu Elu Celu Selu', [SHAPE]),
  { op: 'LeakyRelu', inputs: [SHAPE], attributes: { alpha: -0.5 } },
  { op: 'Elu', inputs: [SHAPE], attributes: { alpha: 0.5 } },
  ...each('ThresholdedRelu Shrink', [SHAPE], 0.9),
  ...each('PRelu', [SHAPE, [3, 1]]),
  ...each('Clip', [SHAPE, [], []]),
  ...each('Clip', [SHAPE, undefined, []]),
  ...each('ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd', [SHAPE, AXES]),
  ...each('ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp', [SHAPE, AXES]),
  ...each('ReduceLogSum', [SHAPE, AXES], 0.9),
  ...each('Softmax LogSoftmax Hardmax', [SHAPE]),
  ...each('CumSum', [SHAPE, { integers: [2] }]),
  { op: 'TopK', inputs: [SHAPE, { integers: [2] }], outputCount: 2 },
];

/** First and second derivatives as outputs of one graph. */
function derivatives(g: GraphBuilder, y: Value, xs: readonly Value[]): Value[] {
  const square = (x: Value) => g.reduceSum(g.square(x), [...x.shape.keys()]);
  const first = gradient(g, { of: square(y), wrt: xs });
  const second = gradient(g, { of: g.sum(first.map(square)), wrt: xs });
  return [...first, ...second].filter((value) => value.constant === undefined).map((value) => g.output(value));
}

async function compare(g: GraphBuilder, outputs: Value[], feeds: Record<string, NumericArray>): Promise<void> {
  if (outputs.length === 0) return;
  const ours = evaluateGraph(g.graph, feeds);
  const theirs = await runInOnnxRuntime(g.graph, feeds);
  for (const { name } of outputs) expectClose(theirs[name]!, ours.get(name)!, name, 2e-4);
}

describe('compiled gradients', () => {
  it.each(cases)('$op $inputs $attributes', async ({ op, inputs, attributes = {}, offset = 0, outputCount = 1 }) => {
    const g = new GraphBuilder();
    const feeds: Record<string, NumericArray> = {};
    const values = inputs.map((input, i) => {
      if (input === undefined) return undefined;
      if ('integers' in input) return g.integers(input.integers);
      const x = g.input(`x${i}`, 'float32', input);
      const data = Float64Array.from(testNumbers(sizeOf(input), i + 3), (u) => Math.fround(offset + 0.6 * u));
      feeds[x.name] = { dtype: 'float32', shape: input, data };
      return x;
    });
    const xs = values.filter((value): value is Value => value !== undefined && value.constant === undefined);
    await compare(g, derivatives(g, g.node(op, values, attributes, outputCount)[0]!, xs), feeds);
  });

  it('straight-through quantisation', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 3]);
    const scale = g.constant([0.01, 0.002, 0.1], [3]);
    const zero = g.tensor({ dtype: 'int8', shape: [3], data: Int8Array.of(0, 5, -7) });
    const q = g.reshape(g.op('QuantizeLinear', [x, scale, zero]), [3, 2]);
    const y = g.op('DequantizeLinear', [g.reshape(q, [2, 3]), scale, zero]);
    const data = Float64Array.of(0.4, -0.2, 0.3, -2, 0.6, 5).map(Math.fround);
    await compare(g, derivatives(g, y, [x]), { x: { dtype: 'float32', shape: [2, 3], data } });
  });
});
