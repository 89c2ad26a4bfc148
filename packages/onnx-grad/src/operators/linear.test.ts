import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../builder.ts';
import { ShapeError } from '../errors.ts';
import { checkAgainstOnnxRuntime } from '../testing/onnxruntime.ts';

const shapes = (...list: number[][]) => list.map((shape) => ({ shape }));

describe('values agree with ONNX Runtime', () => {
  test.each([
    ['matrices', [3, 4], [4, 5]],
    ['vectors', [4], [4]],
    ['vector and matrix', [4], [4, 3]],
    ['matrix and vector', [3, 4], [4]],
    ['stack and matrix', [2, 3, 4], [4, 5]],
    ['stack and vector', [2, 3, 4], [4]],
    ['stacks', [2, 3, 4], [2, 4, 5]],
    ['broadcast stacks', [2, 1, 3, 4], [5, 4, 2]],
    ['vector and stack', [4], [2, 4, 3]],
    ['matrix and stack', [3, 4], [2, 2, 4, 3]],
  ])('MatMul of %s', (_, a, b) => checkAgainstOnnxRuntime({ op: 'MatMul', inputs: shapes(a, b) }));

  const gemms: [string, Record<string, number>, number[][]][] = [
    [
      'without addend',
      {},
      [
        [3, 4],
        [4, 5],
      ],
    ],
    [
      'transposed left',
      { transA: 1, alpha: 0.5 },
      [
        [4, 3],
        [4, 5],
        [3, 5],
      ],
    ],
    ['transposed right, row addend', { transB: 1, beta: 2 }, [[3, 4], [5, 4], [5]]],
    [
      'both transposed, column addend',
      { transA: 1, transB: 1 },
      [
        [4, 3],
        [5, 4],
        [3, 1],
      ],
    ],
    ['scalar addend', { alpha: -1, beta: 0.25 }, [[3, 4], [4, 5], []]],
    [
      'addend of one row',
      {},
      [
        [3, 4],
        [4, 5],
        [1, 5],
      ],
    ],
  ];
  test.each(gemms)('Gemm %s', (_, attributes, inputs) =>
    checkAgainstOnnxRuntime({ op: 'Gemm', attributes, inputs: shapes(...inputs) }),
  );

  test.each([
    ['bij,bjk->bik', [2, 3, 4], [2, 4, 5]],
    ['bhid,bhjd->bhij', [2, 2, 3, 4], [2, 2, 5, 4]],
    ['ij,jk', [3, 4], [4, 5]],
    ['ij,ij->', [3, 4], [3, 4]],
    ['i,j->ji', [3], [4]],
    ['...ij,...jk->...ik', [2, 5, 3, 4], [2, 5, 4, 2]],
    ['ii->i', [4, 4]],
    ['ii', [4, 4]],
    ['ba', [4, 3]],
    ['ab,bc,cd->ad', [2, 3], [3, 4], [4, 2]],
    ['bchw,bkhw->bck', [2, 3, 2, 2], [2, 4, 2, 2]],
    ['ijk->j', [2, 3, 4]],
  ])('Einsum %s', (equation, ...inputs) =>
    checkAgainstOnnxRuntime({
      op: 'Einsum',
      attributes: { equation: equation as string },
      inputs: shapes(...(inputs as number[][])),
    }),
  );
});

test.each([
  [
    'MatMul',
    [
      [2, 3],
      [4, 5],
    ],
  ],
  [
    'MatMul',
    [
      [2, 3, 4],
      [3, 4, 5],
    ],
  ],
  ['MatMul', [[], [4]]],
  [
    'Gemm',
    [
      [2, 3],
      [4, 5],
    ],
  ],
  [
    'Gemm',
    [
      [2, 3, 4],
      [4, 5],
    ],
  ],
  [
    'Gemm',
    [
      [2, 3],
      [3, 5],
      [4, 5],
    ],
  ],
  [
    'Gemm',
    [
      [2, 3],
      [3, 5],
      [1, 2, 5],
    ],
  ],
])('%s refuses shapes %j', (op, inputs) => {
  const g = new GraphBuilder();
  expect(() =>
    g.op(
      op,
      inputs.map((shape, i) => g.input(`x${i}`, 'float32', shape)),
    ),
  ).toThrow(ShapeError);
});

test.each([
  [
    'ij,jk->ik',
    [
      [3, 4],
      [5, 6],
    ],
  ],
  ['ij->ijk', [[3, 4]]],
  ['ij->ii', [[3, 4]]],
  ['ijk', [[3, 4]]],
  ['ij,jk', [[3, 4]]],
  ['i.j', [[3, 4]]],
  ['i?', [[3, 4]]],
  ['ii', [[3, 1]]],
])('Einsum refuses %s on shapes %j', (equation, inputs) => {
  const g = new GraphBuilder();
  const values = inputs.map((shape, i) => g.input(`x${i}`, 'float32', shape));
  expect(() => g.op('Einsum', values, { equation })).toThrow(ShapeError);
});
