/** @file Gradients where the derivative does not exist: the conventions, which are PyTorch's, and no NaN. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../builder.ts';
import { evaluateGraph } from '../evaluate/evaluate-graph.ts';
import { gradient } from '../gradient.ts';
import type { Value } from '../value.ts';

/** Gradients of Σ f(...inputs) and, second, of the sum of those. */
function gradients(f: (g: GraphBuilder, ...xs: Value[]) => Value, ...inputs: number[][]): number[][][] {
  const g = new GraphBuilder();
  const xs = inputs.map((data, i) => g.input(`x${i}`, 'float32', [data.length]));
  const first = gradient(g, { of: f(g, ...xs), wrt: xs });
  const second = gradient(g, { of: g.sum(first.map((dx) => g.reduceSum(dx, [0]))), wrt: xs });
  const feeds = inputs.map((data, i) => [
    `x${i}`,
    { dtype: 'float32' as const, shape: [data.length], data: Float64Array.from(data) },
  ]);
  const values = evaluateGraph(g.graph, Object.fromEntries(feeds));
  return [first, second].map((order) =>
    order.map((value) =>
      Array.from(values.get(value.name)?.data ?? (value.constant!.data as Float32Array), (v) => v + 0),
    ),
  );
}

const op =
  (name: string, attributes = {}) =>
  (g: GraphBuilder, ...xs: Value[]) =>
    g.op(name, xs, attributes);

describe('first derivatives at kinks', () => {
  it.each<[string, (g: GraphBuilder, ...xs: Value[]) => Value, number[][], number[][]]>([
    ['Relu', op('Relu'), [[-1, 0, 1]], [[0, 0, 1]]],
    ['Abs', op('Abs'), [[-1, 0, 1]], [[-1, 0, 1]]],
    ['LeakyRelu', op('LeakyRelu', { alpha: 0.25 }), [[-1, 0, 1]], [[0.25, 0.25, 1]]],
    ['LeakyRelu, steep', op('LeakyRelu', { alpha: 2 }), [[-1, 0, 1]], [[2, 2, 1]]],
    ['HardSigmoid', op('HardSigmoid', { alpha: 0.25 }), [[-2, 0, 2]], [[0, 0.25, 0]]],
    ['HardSwish', op('HardSwish'), [[-3, 0, 3]], [[0, 0.5, 1]]],
    ['Clip', (g, x) => g.op('Clip', [x, g.constant(-1), g.constant(1)]), [[-2, -1, 0, 1, 2]], [[0, 1, 1, 1, 0]]],
    [
      'Max',
      op('Max'),
      [
        [1, 2, 3],
        [3, 2, 1],
      ],
      [
        [0, 0.5, 1],
        [1, 0.5, 0],
      ],
    ],
    [
      'Min of three',
      op('Min'),
      [
        [1, 2],
        [1, 2],
        [4, 2],
      ],
      [
        [0.5, 1 / 3],
        [0.5, 1 / 3],
        [0, 1 / 3],
      ],
    ],
    ['ReduceMax', (g, x) => g.reduceMax(x, [0]), [[2, 1, 2]], [[0.5, 0, 0.5]]],
    ['ReduceMin', (g, x) => g.reduceMin(x, [0]), [[2, 1, 2]], [[0, 1, 0]]],
    ['ReduceProd', op('ReduceProd'), [[0, 3, 4]], [[12, 0, 0]]],
    ['ReduceProd with two zeros', op('ReduceProd'), [[0, 0, 4]], [[0, 0, 0]]],
    ['Sqrt', op('Sqrt'), [[0, 4]], [[0, 0.25]]],
    ['ReduceL2', op('ReduceL2'), [[0, 0]], [[0, 0]]],
    ['ReduceL1', op('ReduceL1'), [[0, -2]], [[0, -1]]],
    [
      'Pow 0.5 of 0 with exponent gradient',
      op('Pow'),
      [
        [0, 0, -2],
        [1, 2, 3],
      ],
      [
        [1, 0, 12],
        [0, 0, 0],
      ],
    ],
    [
      'Pow 0',
      op('Pow'),
      [
        [0, 2],
        [0, 0],
      ],
      [
        [0, 0],
        [0, Math.log(2)],
      ],
    ],
    [
      'PRelu',
      op('PRelu'),
      [
        [-2, 0, 3],
        [0.5, 0.5, 0.5],
      ],
      [
        [0.5, 0.5, 1],
        [-2, 0, 0],
      ],
    ],
  ])('%s', (_, f, inputs, expected) => {
    const [first] = gradients(f, ...inputs);
    first!.forEach((dx, i) => {
      expect(dx).toHaveLength(expected[i]!.length);
      for (const [k, value] of dx.entries()) expect(value).toBeCloseTo(expected[i]![k]!, 12);
    });
  });
});

describe('no NaN at any order', () => {
  it.each<[string, (g: GraphBuilder, ...xs: Value[]) => Value, number[][]]>([
    ['Sqrt at 0', op('Sqrt'), [[0, 0]]],
    ['norm by Sqrt', (g, x) => g.sqrt(g.reduceSum(g.square(x), [0])), [[0, 0]]],
    ['ReduceL2 at 0', op('ReduceL2'), [[0, 0]]],
    ['Pow at 0', (g, x) => g.pow(x, g.constant(2)), [[0, -1]]],
    [
      'Pow with negative base',
      op('Pow'),
      [
        [-1.5, 0, 2],
        [2, 3, 2],
      ],
    ],
    ['Mish far out', op('Mish'), [[-200, 0, 200]]],
    ['Softplus far out', op('Softplus'), [[-800, 0, 800]]],
    ['Sigmoid far out', op('Sigmoid'), [[-800, 0, 800]]],
    ['LogSoftmax far out', op('LogSoftmax'), [[-800, 0, 800]]],
    ['ReduceProd at zeros', op('ReduceProd'), [[0, 0, 4]]],
  ])('%s', (_, f, inputs) => {
    expect(
      gradients(f, ...inputs)
        .flat(2)
        .filter((value) => !Number.isFinite(value)),
    ).toEqual([]);
  });
});

describe('straight-through gradient of quantisation', () => {
  const quantize = (
    shape: number[],
    scale: number[],
    zero: number[],
    axis: number,
    between: (g: GraphBuilder, q: Value) => Value,
  ) => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', shape);
    const s = g.constant(scale, [scale.length]);
    const z = g.tensor({ dtype: 'int8', shape: [zero.length], data: Int8Array.from(zero) });
    const q = between(g, g.op('QuantizeLinear', [x, s, z], { axis }));
    return { g, x, y: g.op('DequantizeLinear', [q, s, z], { axis }) };
  };
  const run = (g: GraphBuilder, of: Value, x: Value, data: number[]) => {
    const [dx] = gradient(g, { of, wrt: [x] });
    const values = evaluateGraph(g.graph, { x: { dtype: 'float32', shape: x.shape, data: Float64Array.from(data) } });
    return Array.from(values.get(dx!.name)!.data);
  };

  it('passes where nothing saturates', () => {
    const { g, x, y } = quantize([5], [0.5], [10], 0, (_, q) => q);
    // −128 … 127 with zero point 10 is −69 … 58.5.
    expect(run(g, y, x, [-69.5, -69, 0.3, 58.5, 59])).toEqual([0, 1, 1, 1, 0]);
  });

  it('passes per axis, and through what moves the integers', () => {
    const { g, x, y } = quantize([2, 2], [0.5, 0.01], [0, 0], 1, (b, q) => b.reshape(b.reshape(q, [4]), [2, 2]));
    expect(run(g, y, x, [3, 3, -70, 1])).toEqual([1, 0, 0, 1]);
  });

  it('gives the scale its gradient (learned step size)', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [3]);
    const s = g.input('s', 'float32', []);
    const z = g.tensor({ dtype: 'int8', shape: [], data: Int8Array.of(0) });
    const y = g.op('DequantizeLinear', [g.op('QuantizeLinear', [x, s, z]), s, z]);
    const [ds] = gradient(g, { of: y, wrt: [s] });
    const values = evaluateGraph(g.graph, {
      x: { dtype: 'float32', shape: [3], data: Float64Array.of(0.3, 1.1, 100) },
      s: { dtype: 'float32', shape: [], data: Float64Array.of(0.5) },
    });
    // Esser et al. 2020, equation 3: round(x/s) − x/s inside, the bound where saturated.
    expect(values.get(ds!.name)!.data[0]).toBeCloseTo(1 - 0.6 + (2 - 2.2) + 127, 10);
  });

  it('does not pass a cast to integers', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    const [dx] = gradient(g, { of: g.cast(g.cast(x, 'int32'), 'float32'), wrt: [x] });
    expect(dx!.constant?.data).toEqual(Float32Array.of(0, 0));
  });
});
