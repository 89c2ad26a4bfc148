/** @file Gradients of the operators that pick or replace elements by index. */
import { toNumeric } from '../evaluate/array.ts';
import { sizeOf } from '../graph.ts';
import { normalizeIndices, slicesOf } from '../operators/indexing.ts';
import { normalizeAxis } from '../operators/operator.ts';
import type { Value } from '../value.ts';
import type { Rule } from './rule.ts';
import { scatterAlong, selectionAdjoint, sliceAdjoint } from './selection.ts';

const numbers = (value: Value): number[] => Array.from(toNumeric(value.constant!).data);

const slice: Rule = ({ g, dy, inputs, has }) => [
  () => {
    const { shape } = inputs[0]!;
    const optional = (i: number) => (has(i) ? numbers(inputs[i]!) : undefined);
    const slices = slicesOf(shape, numbers(inputs[1]!), numbers(inputs[2]!), optional(3), optional(4));
    return sliceAdjoint(g, dy, slices, shape);
  },
];

const gather: Rule = ({ g, dy, inputs, attributes }) => [
  () => {
    const { shape } = inputs[0]!;
    const indices = inputs[1]!;
    const axis = normalizeAxis(attributes.axis, shape.length, 'Gather');
    const length = shape[axis]!;
    const flat = g.reshape(dy, shape.with(axis, sizeOf(indices.shape)));
    return indices.constant === undefined
      ? scatterAlong(g, flat, axis, indices, length)
      : selectionAdjoint(g, flat, axis, normalizeIndices(numbers(indices), length, 'Gather'), length);
  },
];

export const indexing: Record<string, Rule> = { Slice: slice, Gather: gather };
