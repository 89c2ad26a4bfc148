/** @file Operators that write elements at given positions of a copy of their input. */
import { ShapeError } from '../errors.ts';
import type { Numbers, NumericArray } from '../evaluate/array.ts';
import { describeNode } from '../graph.ts';
import { blockPositions, elementPositions } from './indexing.ts';
import { type InferContext, likeInput, normalizeAxis, type Operator, required } from './operator.ts';
import { emptyForAll } from './strided.ts';

/** How a scattered element meets the one that is there; later updates meet the result of earlier ones. */
const reductions: Record<string, (present: number, update: number) => number> = {
  none: (_, update) => update,
  add: (present, update) => present + update,
  mul: (present, update) => present * update,
  max: (present, update) => Math.max(present, update),
  min: (present, update) => Math.min(present, update),
};

function checkReduction({ node, attributes }: InferContext): void {
  if (attributes.reduction in reductions) return;
  throw new ShapeError(`${describeNode(node)} has the unknown reduction '${attributes.reduction}'`);
}

function copyOf(data: NumericArray, updates: NumericArray): Numbers {
  const copy = emptyForAll([data, updates], data.data.length);
  copy.set(data.data);
  return copy;
}

const scatterElements: Operator = {
  attributes: { axis: { kind: 'int', default: 0 }, reduction: { kind: 'string', default: 'none' } },
  infer(context) {
    const { shape } = required(context, 0);
    const indices = required(context, 1).shape;
    const updates = required(context, 2).shape;
    if (indices.join() !== updates.join() || indices.length !== shape.length) {
      throw new ShapeError(
        `indices [${indices}] and updates [${updates}] of ${describeNode(context.node)} do not fit the data [${shape}]`,
      );
    }
    checkReduction(context);
    return [likeInput(context)];
  },
  evaluate({ inputs, attributes }) {
    const [x, indices, updates] = inputs as [NumericArray, NumericArray, NumericArray];
    const axis = normalizeAxis(attributes.axis, x.shape.length, 'ScatterElements');
    const data = copyOf(x, updates);
    const combine = reductions[attributes.reduction]!;
    elementPositions(indices, x.shape, axis, 'ScatterElements').forEach((position, i) => {
      data[position] = combine(data[position]!, updates.data[i]!);
    });
    return [{ dtype: x.dtype, shape: x.shape, data }];
  },
};

const scatterND: Operator = {
  attributes: { reduction: { kind: 'string', default: 'none' } },
  infer(context) {
    const { shape } = required(context, 0);
    const indices = required(context, 1).shape;
    const updates = required(context, 2).shape;
    const depth = indices.at(-1) ?? 0;
    const expected = [...indices.slice(0, -1), ...shape.slice(depth)];
    if (depth < 1 || depth > shape.length || updates.join() !== expected.join()) {
      throw new ShapeError(
        `updates [${updates}] of ${describeNode(context.node)} do not fit: indices [${indices}] into [${shape}] need [${expected}]`,
      );
    }
    checkReduction(context);
    return [likeInput(context)];
  },
  evaluate({ inputs, attributes }) {
    const [x, indices, updates] = inputs as [NumericArray, NumericArray, NumericArray];
    const data = copyOf(x, updates);
    const combine = reductions[attributes.reduction]!;
    const { positions, size } = blockPositions(indices, x.shape, 0, 'ScatterND');
    positions.forEach((position, i) => {
      for (let k = 0; k < size; k++) {
        data[position + k] = combine(data[position + k]!, updates.data[i * size + k]!);
      }
    });
    return [{ dtype: x.dtype, shape: x.shape, data }];
  },
};

export const scattering: Record<string, Operator> = { ScatterElements: scatterElements, ScatterND: scatterND };
