/** @file Gradients of the operators that reshape, permute, join, cut and repeat whole axes. */

import { permutationOf } from '../operators/movement.ts';
import { normalizeAxis } from '../operators/operator.ts';
import type { Rule } from './rule.ts';

/** The elements stay where they are, so the cotangent only takes back the input's shape. */
const reshaped: Rule = ({ g, dy, inputs }) => [() => g.reshape(dy, inputs[0]!.shape)];

const transpose: Rule = ({ g, dy, attributes }) => [
  () => {
    const permutation = permutationOf(attributes.perm, dy.shape.length);
    return g.transpose(
      dy,
      permutation.map((_, axis) => permutation.indexOf(axis)),
    );
  },
];

const concat: Rule = ({ g, dy, inputs, attributes }) => {
  const axis = normalizeAxis(attributes.axis, dy.shape.length, 'Concat');
  let end = 0;
  return inputs.map(({ shape }) => {
    const start = end;
    end = start + shape[axis]!;
    const slicing = { starts: [start], ends: [end], axes: [axis] };
    return () => g.slice(dy, slicing);
  });
};

const split: Rule = ({ g, dys, inputs, outputs, attributes }) => [
  () => {
    const { shape } = inputs[0]!;
    const axis = normalizeAxis(attributes.axis, shape.length, 'Split');
    const lengths = outputs.map((output) => output.shape[axis]!);
    const used = dys.flatMap((dy, i) => (dy === undefined ? [] : [i]));
    if (used.length > 1) {
      return g.concat(
        dys.map((dy, i) => dy ?? g.zerosLike(outputs[i]!)),
        axis,
      );
    }
    const only = used[0]!;
    const before = lengths.slice(0, only).reduce((sum, length) => sum + length, 0);
    const none = shape.map(() => 0);
    return g.pad(dys[only]!, none.with(axis, before), none.with(axis, shape[axis]! - before - lengths[only]!));
  },
];

const expand: Rule = ({ g, dy, inputs }) => [() => g.sumTo(dy, inputs[0]!.shape)];

const tile: Rule = ({ g, dy, inputs }) => [
  () => {
    const { shape } = inputs[0]!;
    const separate: number[] = [];
    const repeated: number[] = [];
    shape.forEach((length, axis) => {
      const repeats = length === 0 ? 1 : dy.shape[axis]! / length;
      if (repeats !== 1) {
        repeated.push(separate.length);
        separate.push(repeats);
      }
      separate.push(length);
    });
    return g.reshape(g.reduceSum(g.reshape(dy, separate), repeated), shape);
  },
];

export const movement: Record<string, Rule> = {
  Reshape: reshaped,
  Flatten: reshaped,
  Squeeze: reshaped,
  Unsqueeze: reshaped,
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Expand: expand,
  Tile: tile,
};
