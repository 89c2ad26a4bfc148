import { Command } from 'commander';
import { expect, it } from 'vitest';
import { methodsFor } from './explain-methods.ts';
import { fill } from './help.ts';

it.each([
  ['gradient', 'logit per unit of pixel value'],
  ['ig', 'logit'],
  ['smoothgrad:method=ig', 'logit'],
  ['smoothgrad:method=edges', 'pixel value'],
  ['smoothgrad-squared', 'squared slope'],
  ['smoothgrad-squared:method=gradient', 'squared slope'],
  ['smoothgrad-squared:method=ig', 'squared logit'],
  ['vargrad:method=excitation-backprop', 'squared probability'],
  ['vargrad:method=random', 'no unit'],
])('maps of %s are measured in %s', async (method, unit) => {
  const makeMethods = await methodsFor(new Command(), { method, of: 'logit' });
  expect(makeMethods(undefined).map((each) => each.unit)).toEqual([unit]);
});

it('lines end at blanks, and where a zero-width space allows it without one', () => {
  expect(fill('one=a|\u200bbb|\u200bccc, two\u00a0words', 10, '  ')).toBe('one=a|bb|\n  ccc,\n  two words');
});
