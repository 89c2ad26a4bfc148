import { expect, test } from 'vitest';
import { GraphBuilder } from './builder.ts';
import { evaluateGraph } from './evaluate/evaluate-graph.ts';
import { gradient } from './gradient.ts';
import type { Value } from './value.ts';

test('every node that is left is read', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [3]);
  const y = g.mul(g.relu(x), g.op('Clip', [x, g.constant(-1), g.constant(1)]));
  const [dx] = gradient(g, { of: y, wrt: [x] });
  const z = g.square(dx!);
  const [dxx] = gradient(g, { of: z, wrt: [x] });
  const read = new Set([y.name, z.name, dxx!.name, ...g.graph.nodes.flatMap((node) => node.inputs)]);
  expect(g.graph.nodes.filter((node) => !node.outputs.some((name) => read.has(name)))).toEqual([]);
  const values = evaluateGraph(g.graph, { x: { dtype: 'float32', shape: [3], data: Float64Array.of(-0.5, 0.5, 2) } });
  expect(values.get(dx!.name)!.data).toEqual(Float64Array.of(0, 1, 1));
  // d(2x)²/dx = 8x where both pass, d(1)²/dx = 0 where Clip does not.
  expect(values.get(dxx!.name)!.data).toEqual(Float64Array.of(0, 4, 0));
});

test('a value that the objective does not depend on gets zeros', () => {
  const g = new GraphBuilder();
  const [x, z] = [g.input('x', 'float32', [2]), g.input('z', 'float32', [3])];
  const [, dz] = gradient(g, { of: g.exp(x), wrt: [x, z] });
  expect(dz!.constant?.data).toEqual(new Float32Array(3));
});

test('a cotangent weighs the elements, and intermediate values can be differentiated by', () => {
  const g = new GraphBuilder();
  const [x, weights] = [g.input('x', 'float32', [2]), g.input('v', 'float32', [2])];
  const h = g.scale(x, 3);
  const [dh] = gradient(g, { of: g.square(h), wrt: [h], cotangent: weights });
  const feed = (...data: number[]) => ({ dtype: 'float32' as const, shape: [2], data: Float64Array.from(data) });
  expect(evaluateGraph(g.graph, { x: feed(1, 2), v: feed(10, 100) }).get(dh!.name)!.data).toEqual(
    Float64Array.of(60, 1200),
  );
});

test('a rule takes the place of the derivative where it is given', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [3]);
  const y = g.relu(g.scale(x, -2));
  // Guided backpropagation: what is negative is not passed back either.
  const [dx] = gradient(g, {
    of: y,
    wrt: [x],
    cotangent: g.input('weights', 'float32', [3]),
    rules: (node) => (node.op === 'Relu' ? ({ g, dy }) => [() => g.relu(dy)] : undefined),
  });
  const feed = (data: Float64Array) => ({ dtype: 'float32' as const, shape: [3], data });
  const values = evaluateGraph(g.graph, {
    x: feed(Float64Array.of(1, 1, -1)),
    weights: feed(Float64Array.of(5, -5, 5)),
  });
  expect(values.get(dx!.name)!.data).toEqual(Float64Array.of(-10, -0, -10));
});

test('what a rule writes beside the gradients stays where it is kept', () => {
  const write = (keeps: boolean) => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    const beside: Value[] = [];
    const [dx] = gradient(g, {
      of: g.relu(x),
      wrt: [x],
      cotangent: g.mul(x, x),
      rules:
        () =>
        ({ g, dy, inputs }) => [
          () => {
            beside.push(g.mul(inputs[0]!, g.constant([3, 4], [2])));
            return g.neg(dy);
          },
        ],
      ...(keeps && { keep: () => beside }),
    });
    const values = evaluateGraph(g.graph, { x: { dtype: 'float32', shape: [2], data: Float64Array.of(1, -2) } });
    return [dx!, ...beside].map(({ name }) => values.get(name)?.data);
  };
  expect(write(true)).toEqual([Float64Array.of(-1, -4), Float64Array.of(3, -8)]);
  expect(write(false)).toEqual([Float64Array.of(-1, -4), undefined]);
});
