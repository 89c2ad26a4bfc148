import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sizeOf } from '../graph.ts';
import { broadcastShapes } from '../operators/operator.ts';
import { eachRow, mapTernary } from './broadcast.ts';

/** A shape, and three that broadcast to it: leading axes dropped, others set to 1. */
const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 5 }).chain((full) =>
  fc
    .array(fc.tuple(fc.nat(full.length), fc.array(fc.boolean(), { minLength: 5, maxLength: 5 })), {
      minLength: 3,
      maxLength: 3,
    })
    .map((choices) =>
      choices.map(([dropped, ones]) => full.map((length, axis) => (ones[axis] ? 1 : length)).slice(dropped)),
    ),
);

/** The flat index into an array of shape `from` of the element that position `flat` of shape `to` reads. */
function readIndex(flat: number, to: readonly number[], from: readonly number[]): number {
  let [rest, index, stride] = [flat, 0, 1];
  for (let back = 1; back <= to.length; back++) {
    const length = to[to.length - back]!;
    const own = from[from.length - back] ?? 1;
    if (own !== 1) index += (rest % length) * stride;
    stride *= own;
    rest = Math.floor(rest / length);
  }
  return index;
}

test('every element of a broadcast reads the right operands', () => {
  fc.assert(
    fc.property(shapes, (operands) => {
      const shape = broadcastShapes(operands, 'a test');
      const [a, b, c] = operands.map((own, k) => ({
        dtype: 'float64' as const,
        shape: own,
        data: Float64Array.from({ length: sizeOf(own) }, (_, i) => (i + 1) * 1000 ** k),
      }));
      const { data } = mapTernary(a!, b!, c!, shape, (x, y, z) => x + y + z);
      const expected = Array.from({ length: sizeOf(shape) }, (_, flat) =>
        operands.reduce((sum, own, k) => sum + (readIndex(flat, shape, own) + 1) * 1000 ** k, 0),
      );
      expect(Array.from(data)).toEqual(expected);
    }),
  );
});

test('axes walked alike are one row, and empty arrays none', () => {
  const rows = (shape: number[], ...operands: number[][]) => {
    const lengths: number[] = [];
    eachRow(shape, operands, (_, length) => lengths.push(length));
    return lengths;
  };
  expect(rows([2, 3, 4], [2, 3, 4], [])).toEqual([24]);
  expect(rows([2, 3, 4], [2, 3, 4], [3, 1])).toEqual([4, 4, 4, 4, 4, 4]);
  expect(rows([2, 3, 4], [3, 4])).toEqual([12, 12]);
  expect(rows([], [])).toEqual([1]);
  expect(rows([2, 0, 4], [2, 0, 4])).toEqual([]);
});
