import { describe, expect, test } from 'vitest';
import { UnsupportedOpError } from '../errors.ts';
import { checkRule } from '../testing/check-rule.ts';
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
