/** @file Gradients of the operators that pick or replace elements by index. */

import type { GraphBuilder } from '../builder.ts';
import { sizeOf } from '../graph.ts';
import { normalizeIndices, slicesOf } from '../operators/indexing.ts';
import { normalizeAxis } from '../operators/operator.ts';
import { stridesOf } from '../operators/strided.ts';
import type { Value } from '../value.ts';
import { constantNumbers } from './constants.ts';
import type { Rule } from './rule.ts';
import { scatterAlong, selectionAdjoint, sliceAdjoint } from './selection.ts';

const slice: Rule = ({ g, dy, inputs, has }) => [
  () => {
    const { shape } = inputs[0]!;
    const optional = (i: number) => (has(i) ? constantNumbers(inputs[i]!) : undefined);
    const slices = slicesOf(shape, constantNumbers(inputs[1]!), constantNumbers(inputs[2]!), optional(3), optional(4));
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
      : selectionAdjoint(g, flat, axis, normalizeIndices(constantNumbers(indices), length, 'Gather'), length);
  },
];

const gatherElements: Rule = ({ g, dy, inputs, attributes }) => [
  () => {
    const target = g.zerosLike(inputs[0]!);
    return g.op('ScatterElements', [target, inputs[1]!, dy], { axis: attributes.axis, reduction: 'add' });
  },
];

const gatherND: Rule = ({ g, dy, inputs, attributes }) => [
  () => {
    const [x, indices] = inputs as [Value, Value];
    const full = withBatchCoordinates(g, g.cast(indices, 'int64'), attributes.batch_dims);
    return g.op('ScatterND', [g.zerosLike(x), full, dy], { reduction: 'add' });
  },
];

/** GatherND's indices with the coordinates of their batch in front, which ScatterND needs spelt out. */
function withBatchCoordinates(g: GraphBuilder, indices: Value, batchDims: number): Value {
  if (batchDims === 0) return indices;
  const shape = indices.shape.with(-1, batchDims);
  const strides = stridesOf(indices.shape.slice(0, -1));
  const coordinates = Array.from({ length: sizeOf(shape) }, (_, i) => {
    const axis = i % batchDims;
    return Math.floor(Math.floor(i / batchDims) / strides[axis]!) % shape[axis]!;
  });
  return g.concat([g.integers(coordinates, shape), indices], shape.length - 1);
}

export const indexing: Record<string, Rule> = {
  Slice: slice,
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
};
