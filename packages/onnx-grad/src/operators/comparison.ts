/** @file Comparisons, logic, and the choice between two arrays. */
import { mapTernary } from '../evaluate/broadcast.ts';
import { broadcastShapes, type Operator } from './operator.ts';
import { binary, broadcastInputs, commonType, unary } from './pointwise.ts';

const compare = (f: (a: number, b: number) => boolean): Operator => {
  const operator = binary((a, b) => (f(a, b) ? 1 : 0), 'bool');
  return {
    ...operator,
    infer: (context) => {
      commonType(context, [0, 1]);
      return operator.infer(context);
    },
  };
};

export const comparison: Record<string, Operator> = {
  Equal: compare((a, b) => a === b),
  Greater: compare((a, b) => a > b),
  GreaterOrEqual: compare((a, b) => a >= b),
  Less: compare((a, b) => a < b),
  LessOrEqual: compare((a, b) => a <= b),
  And: compare((a, b) => a !== 0 && b !== 0),
  Or: compare((a, b) => a !== 0 || b !== 0),
  Xor: compare((a, b) => (a !== 0) !== (b !== 0)),
  Not: unary((x) => (x === 0 ? 1 : 0), 'bool'),
  IsNaN: unary((x) => (Number.isNaN(x) ? 1 : 0), 'bool'),
  IsInf: {
    ...unary((x) => x, 'bool'),
    attributes: { detect_negative: { kind: 'int', default: 1 }, detect_positive: { kind: 'int', default: 1 } },
    evaluate: (context) => {
      const { detect_negative: negative, detect_positive: positive } = context.attributes;
      const matches = (x: number) =>
        (positive && x === Number.POSITIVE_INFINITY) || (negative && x === Number.NEGATIVE_INFINITY) ? 1 : 0;
      return unary(matches, 'bool').evaluate!(context);
    },
  },
  Where: {
    attributes: {},
    infer: (context) => [{ dtype: commonType(context, [1, 2]), shape: broadcastInputs(context) }],
    evaluate: ({ inputs: [condition, a, b] }) => {
      const shape = broadcastShapes([condition!.shape, a!.shape, b!.shape], 'the inputs');
      return [mapTernary(condition!, a!, b!, shape, (c, p, q) => (c === 0 ? q : p))];
    },
  },
};
