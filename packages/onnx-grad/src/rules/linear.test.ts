import { test } from 'vitest';
import { checkRule } from '../testing/check-rule.ts';

const shapes = (...list: number[][]) => list.map((shape) => ({ shape }));

test.each([
  ['matrices', [3, 4], [4, 2]],
  ['vectors', [4], [4]],
  ['vector and matrix', [4], [4, 3]],
  ['matrix and vector', [3, 4], [4]],
  ['stack and matrix', [2, 3, 4], [4, 2]],
  ['stack and vector', [2, 3, 4], [4]],
  ['stacks', [2, 3, 4], [2, 4, 2]],
  ['broadcast stacks', [2, 1, 3, 2], [2, 2, 2]],
  ['vector and stack', [4], [2, 4, 3]],
  ['matrix and stack', [3, 2], [2, 2, 2, 3]],
])('MatMul of %s', (_, a, b) => checkRule({ op: 'MatMul', inputs: shapes(a, b) }));

test('Gemm, all transposes and addends', () => {
  const addends = [undefined, [3, 5], [5], [1, 5], [3, 1], [], [1]];
  addends.forEach((addend, k) => {
    const transA = k & 1;
    const transB = (k >> 1) & 1;
    const inputs = shapes(transA ? [4, 3] : [3, 4], transB ? [5, 4] : [4, 5], ...(addend ? [addend] : []));
    checkRule({ op: 'Gemm', inputs, attributes: { transA, transB, alpha: 0.5, beta: -2 } });
    checkRule({ op: 'Gemm', inputs: inputs.slice(0, 2), attributes: { transA, transB } });
  });
});

test.each([
  ['bij,bjk->bik', [2, 3, 2], [2, 2, 3]],
  ['bhid,bhjd->bhij', [2, 1, 3, 2], [2, 1, 2, 2]],
  ['ij,jk->ki', [3, 2], [2, 3]],
  ['ij,ij->', [3, 2], [3, 2]],
  ['ij,ij->j', [3, 2], [3, 2]],
  ['i,j->ji', [3], [2]],
  ['...ij,...jk->...ik', [2, 1, 3, 2], [2, 2, 2]],
  ['ii->i', [3, 3]],
  ['iij->j', [3, 3, 2]],
  ['iij,jk->ik', [2, 2, 3], [3, 2]],
  ['ab,bc,cd->ad', [2, 3], [3, 2], [2, 2]],
  ['ab,bc,cd->db', [2, 3], [3, 2], [2, 2]],
  ['bchw,bkhw->bck', [1, 3, 2, 2], [1, 2, 2, 2]],
  ['ijk->j', [2, 3, 2]],
  ['ij,k->i', [2, 3], [2]],
  ['ij->ji', [2, 3]],
])('Einsum %s', (equation, ...inputs) =>
  checkRule({ op: 'Einsum', attributes: { equation: equation as string }, inputs: shapes(...(inputs as number[][])) }),
);
