import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../builder.ts';
import { UnsupportedOpError } from '../errors.ts';
import type { NumericArray } from '../evaluate/array.ts';
import { evaluateGraph } from '../evaluate/evaluate-graph.ts';
import { gradient } from '../gradient.ts';
import { sizeOf } from '../graph.ts';
import { checkRule, testNumbers } from '../testing/check-rule.ts';
import { indexingCases, movementCases, paddingCases, resizeCases } from '../testing/movement-cases.ts';

describe.each([
  ['movement', movementCases],
  ['indexing', indexingCases],
  ['padding', paddingCases],
  ['resizing', resizeCases],
])('gradients of %s', (_, cases) => {
  test.each(Object.entries(cases))('%s', (_name, ruleCase) => checkRule(ruleCase));
});

test('every output of a Split', () => {
  for (const output of [0, 1, 2]) {
    const lengths = { shape: [3], data: [1, 3, 2], dtype: 'int64' as const, constant: true };
    checkRule({ op: 'Split', inputs: [{ shape: [2, 6] }, lengths], attributes: { axis: 1 }, outputCount: 3, output });
  }
});

test.each(['mul', 'max', 'min'])('scattering with %s says that it has no gradient', (reduction) => {
  const indices = { shape: [2, 1], data: [2, 0], dtype: 'int64' as const, constant: true };
  const inputs = [{ shape: [3, 2] }, indices, { shape: [2, 2] }];
  expect(() => checkRule({ op: 'ScatterND', inputs, attributes: { reduction } })).toThrow(UnsupportedOpError);
  expect(() => checkRule({ op: 'ScatterND', inputs, attributes: { reduction } })).toThrow(`reduction '${reduction}'`);
});

test('OneHot by its two values', () => {
  const indices = { shape: [4], data: [1, -1, 3, 0], dtype: 'int64' as const };
  const depth = { shape: [], data: [3], dtype: 'int64' as const, constant: true };
  checkRule({ op: 'OneHot', inputs: [indices, depth, { shape: [2] }], attributes: { axis: 0 } });
});

test('Resize of a long signal adds neighbour by neighbour and is the adjoint of the resize', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [1, 1, 1, 1024]);
  const y = g.op('Resize', [x, undefined, g.constant([1, 1, 1, 2.5], [4])], { mode: 'linear' });
  const cotangent = g.input('cotangent', 'float32', y.shape);
  const [dx] = gradient(g, { of: y, wrt: [x], cotangent });
  expect(g.graph.nodes.some(({ op }) => op === 'MatMul')).toBe(false);
  const array = (shape: readonly number[], seed: number): NumericArray => ({
    dtype: 'float32',
    shape,
    data: Float64Array.from(testNumbers(sizeOf(shape), seed)),
  });
  const feeds = { x: array(x.shape, 1), cotangent: array(y.shape, 2) };
  const values = evaluateGraph(g.graph, feeds);
  // Resize is linear, so the cotangent with y is the gradient with x.
  const inner = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, v, i) => sum + v * b[i]!, 0);
  expect(inner(values.get(dx!.name)!.data, feeds.x.data)).toBeCloseTo(
    inner(values.get(y.name)!.data, feeds.cotangent.data),
    6,
  );
});
