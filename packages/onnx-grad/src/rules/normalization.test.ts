import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../builder.ts';
import { evaluateGraph } from '../evaluate/evaluate-graph.ts';
import { gradient } from '../gradient.ts';
import { checkRule, type RuleInput } from '../testing/check-rule.ts';

const shapes = (...list: number[][]): RuleInput[] => list.map((shape) => ({ shape }));
const variance = (count: number): RuleInput => ({ shape: [count], data: (i) => 0.3 + 0.4 * i });

describe('BatchNormalization', () => {
  const op = 'BatchNormalization';
  test.each([[[2, 3, 2, 2]], [[2, 3, 4]], [[4, 2]]])('evaluation, %j', (shape) => {
    const c = shape[1]!;
    checkRule({ op, inputs: [...shapes(shape, [c], [c], [c]), variance(c)], attributes: { epsilon: 0.01 } });
  });
  test.each([[[2, 3, 2, 2]], [[4, 2]]])('training, %j', (shape) => {
    const c = shape[1]!;
    const inputs = [...shapes(shape, [c], [c], [c]), variance(c)];
    for (const output of [0, 1, 2]) {
      checkRule({
        op,
        inputs,
        output,
        outputCount: 3,
        attributes: { training_mode: 1, momentum: 0.7 },
        tolerance: 1e-5,
        secondOrder: output === 0,
      });
    }
  });
});

describe('LayerNormalization', () => {
  const op = 'LayerNormalization';
  test('last axis, with bias', () => checkRule({ op, inputs: shapes([2, 2, 5], [5], [5]), tolerance: 1e-5 }));
  test('two axes, no bias', () => checkRule({ op, inputs: shapes([2, 2, 3], [2, 3]), attributes: { axis: 1 } }));
  test('scale of one number', () => checkRule({ op, inputs: shapes([2, 5], [1], [1]), attributes: { epsilon: 0.1 } }));
  test.each([0, 1, 2])('output %d', (output) =>
    checkRule({ op, inputs: shapes([2, 5], [5], [5]), outputCount: 3, output, tolerance: 1e-5 }),
  );
});

test.each([[[2, 2, 3]], [[2, 3, 2, 2]]])('InstanceNormalization, %j', (shape) => {
  const c = shape[1]!;
  checkRule({ op: 'InstanceNormalization', inputs: shapes(shape, [c], [c]), attributes: { epsilon: 0.05 } });
});

test.each([{ p: 2 }, { p: 2, axis: 0 }, { p: 1, axis: 1 }])('LpNormalization %j', (attributes) =>
  checkRule({ op: 'LpNormalization', inputs: shapes([2, 3, 4]), attributes }),
);

test.each([1, 2])('LpNormalization of order %d has zero derivatives where x is zero', (p) => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [1, 3]);
  const y = g.op('LpNormalization', [x], { p });
  const weights = g.constant([1, 2, 3], [1, 3]);
  const [first] = gradient(g, { of: y, wrt: [x], cotangent: weights });
  const [second] = gradient(g, { of: first!, wrt: [x], cotangent: weights });
  const values = evaluateGraph(g.graph, { x: { dtype: 'float32', shape: [1, 3], data: new Float64Array(3) } });
  for (const value of [first!, second!]) expect([...values.get(value.name)!.data].map(Math.abs)).toEqual([0, 0, 0]);
});

test.each([
  { size: 3, alpha: 0.5, beta: 0.6 },
  { size: 4, alpha: 1, bias: 2 },
  { size: 1, alpha: 1 },
  { size: 9, alpha: 1, beta: 0.5 },
])('LRN %j', (attributes) => checkRule({ op: 'LRN', inputs: shapes([2, 5, 2, 1]), attributes }));

describe.each(['SoftmaxCrossEntropyLoss', 'NegativeLogLikelihoodLoss'])('%s', (op) => {
  const labels: RuleInput = { shape: [4], data: [1, 0, 2, 1], dtype: 'int64' };
  const weights: RuleInput = { shape: [3], data: [0.5, 1.5, 2] };
  const scores: RuleInput = { shape: [4, 3] };
  test.each(['none', 'sum', 'mean'])('reduction %s', (reduction) => {
    checkRule({ op, inputs: [scores, labels], attributes: { reduction } });
    checkRule({ op, inputs: [scores, labels, weights], attributes: { reduction } });
    checkRule({ op, inputs: [scores, labels, weights], attributes: { reduction, ignore_index: 1 } });
    checkRule({ op, inputs: [scores, { ...labels, dtype: 'int32' }], attributes: { reduction, ignore_index: 0 } });
    const pixels: RuleInput = { shape: [2, 2, 1], data: [1, 0, -7, 1], dtype: 'int64' };
    checkRule({ op, inputs: [{ shape: [2, 3, 2, 1] }, pixels], attributes: { reduction, ignore_index: -7 } });
  });
});

test('the log probabilities of SoftmaxCrossEntropyLoss', () => {
  const labels: RuleInput = { shape: [3], data: [1, 0, 2], dtype: 'int64' };
  checkRule({ op: 'SoftmaxCrossEntropyLoss', inputs: [{ shape: [3, 4] }, labels], outputCount: 2, output: 1 });
});
