/** @file Operators that reshape, permute, join, cut and repeat whole axes. */
import { ShapeError } from '../errors.ts';
import type { NumericArray } from '../evaluate/array.ts';
import { describeNode, sizeOf } from '../graph.ts';
import {
  broadcastShapes,
  constantNumbers,
  type EvaluateContext,
  type InferContext,
  normalizeAxis,
  type Operator,
  required,
} from './operator.ts';
import { around, copyStrided, emptyForAll, emptyLike, permuteAxes, stridesOf } from './strided.ts';

/** The numbers of an evaluated input, or undefined when it is absent. */
export const numbersOf = (context: EvaluateContext, index: number): number[] | undefined => {
  const input = context.inputs[index];
  return input && Array.from(input.data);
};

/** The numbers of an optional constant input. */
export const optionalNumbers = (context: InferContext, index: number): number[] | undefined =>
  context.inputs[index] === undefined ? undefined : constantNumbers(context, index);

/** An operator that changes the shape alone: the elements stay where they are. */
function reshaping(
  attributes: Operator['attributes'],
  target: (shape: readonly number[], attributes: InferContext['attributes'], numbers: number[] | undefined) => number[],
): Operator {
  return {
    attributes,
    infer(context) {
      const { dtype, shape } = required(context, 0);
      const result = target(shape, context.attributes, optionalNumbers(context, 1));
      if (sizeOf(result) !== sizeOf(shape)) {
        throw new ShapeError(
          `${describeNode(context.node)} cannot give [${shape}] the shape [${result}]: the sizes differ`,
        );
      }
      return [{ dtype, shape: result }];
    },
    evaluate(context) {
      const { dtype, shape, data } = context.inputs[0]!;
      return [{ dtype, shape: target(shape, context.attributes, numbersOf(context, 1)), data }];
    },
  };
}

/** Reshape's target: 0 copies the input's dimension (unless allowzero), −1 takes what is left. */
function reshapeTarget(shape: readonly number[], request: readonly number[], allowZero: boolean): number[] {
  const target = request.map((dimension, axis) => (dimension === 0 && !allowZero ? (shape[axis] ?? 0) : dimension));
  const open = target.indexOf(-1);
  if (open < 0) return target;
  const known = sizeOf(target.filter((_, axis) => axis !== open));
  const rest = known === 0 ? 0 : sizeOf(shape) / known;
  if (!Number.isInteger(rest)) throw new ShapeError(`Reshape cannot give [${shape}] the shape [${request}]`);
  return target.with(open, rest);
}

function squeezeTarget(shape: readonly number[], axes: readonly number[] | undefined): number[] {
  if (axes === undefined) return shape.filter((dimension) => dimension !== 1);
  const dropped = new Set(axes.map((axis) => normalizeAxis(axis, shape.length, 'Squeeze')));
  for (const axis of dropped) {
    if (shape[axis] !== 1) throw new ShapeError(`Squeeze cannot drop axis ${axis} of [${shape}]: it is longer than 1`);
  }
  return shape.filter((_, axis) => !dropped.has(axis));
}

function unsqueezeTarget(shape: readonly number[], axes: readonly number[]): number[] {
  const rank = shape.length + axes.length;
  const added = new Set(axes.map((axis) => normalizeAxis(axis, rank, 'Unsqueeze')));
  if (added.size !== axes.length) throw new ShapeError(`Unsqueeze names an axis twice: ${axes}`);
  const rest = [...shape];
  return Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : rest.shift()!));
}

/** The permutation of a Transpose; reversal when the attribute is absent. */
export const permutationOf = (permutation: readonly number[] | undefined, rank: number): number[] =>
  permutation === undefined ? Array.from({ length: rank }, (_, axis) => rank - 1 - axis) : [...permutation];

const transpose: Operator = {
  attributes: { perm: { kind: 'ints' } },
  infer(context) {
    const { dtype, shape } = required(context, 0);
    const permutation = permutationOf(context.attributes.perm, shape.length);
    if (permutation.length !== shape.length || permutation.some((_, axis) => !permutation.includes(axis))) {
      throw new ShapeError(`[${permutation}] of ${describeNode(context.node)} does not permute the axes of [${shape}]`);
    }
    return [{ dtype, shape: permutation.map((axis) => shape[axis]!) }];
  },
  evaluate({ inputs, attributes }) {
    return [permuteAxes(inputs[0]!, permutationOf(attributes.perm, inputs[0]!.shape.length))];
  },
};

const concat: Operator = {
  attributes: { axis: { kind: 'int', default: 0 } },
  infer(context) {
    const first = required(context, 0);
    const axis = normalizeAxis(context.attributes.axis, first.shape.length, describeNode(context.node));
    let length = 0;
    context.inputs.forEach((_, i) => {
      const { shape } = required(context, i);
      if (shape.length !== first.shape.length || shape.some((d, k) => k !== axis && d !== first.shape[k])) {
        throw new ShapeError(
          `${describeNode(context.node)} cannot join [${first.shape}] and [${shape}] along axis ${axis}`,
        );
      }
      length += shape[axis]!;
    });
    return [{ dtype: first.dtype, shape: first.shape.with(axis, length) }];
  },
  evaluate({ inputs, attributes }) {
    const parts = inputs as readonly NumericArray[];
    const { dtype, shape: first } = parts[0]!;
    const axis = normalizeAxis(attributes.axis, first.length, 'Concat');
    const shape = first.with(
      axis,
      parts.reduce((sum, part) => sum + part.shape[axis]!, 0),
    );
    const data = emptyForAll(parts, sizeOf(shape));
    const { outer, length, inner } = around(shape, axis);
    let offset = 0;
    for (const part of parts) {
      const block = part.shape[axis]! * inner;
      copyStrided(
        [outer, block],
        { data: part.data, offset: 0, strides: [block, 1] },
        { data, offset, strides: [length * inner, 1] },
      );
      offset += block;
    }
    return [{ dtype, shape, data }];
  },
};

/** The lengths of Split's outputs: given, or as equal as num_outputs allows with a shorter last one. */
export function splitLengths(
  length: number,
  given: readonly number[] | undefined,
  count: number,
  what: string,
): readonly number[] {
  const chunk = Math.ceil(length / count);
  const lengths = given ?? Array.from({ length: count }, (_, i) => Math.max(0, Math.min(chunk, length - i * chunk)));
  if (lengths.length !== count || lengths.reduce((sum, part) => sum + part, 0) !== length) {
    throw new ShapeError(`${what} cannot cut an axis of ${length} into ${count} parts of lengths ${lengths}`);
  }
  return lengths;
}

const split: Operator = {
  attributes: { axis: { kind: 'int', default: 0 }, num_outputs: { kind: 'int' } },
  infer(context) {
    const { dtype, shape } = required(context, 0);
    const what = describeNode(context.node);
    const axis = normalizeAxis(context.attributes.axis, shape.length, what);
    const lengths = splitLengths(shape[axis]!, optionalNumbers(context, 1), context.outputCount, what);
    return lengths.map((length) => ({ dtype, shape: shape.with(axis, length) }));
  },
  evaluate(context) {
    const { dtype, shape, data: source } = context.inputs[0]!;
    const axis = normalizeAxis(context.attributes.axis, shape.length, 'Split');
    const { outer, length: total, inner } = around(shape, axis);
    let offset = 0;
    return splitLengths(total, numbersOf(context, 1), context.outputCount, 'Split').map((length) => {
      const block = length * inner;
      const data = emptyLike(source, outer * block);
      copyStrided(
        [outer, block],
        { data: source, offset, strides: [total * inner, 1] },
        { data, offset: 0, strides: [block, 1] },
      );
      offset += block;
      return { dtype, shape: shape.with(axis, length), data };
    });
  },
};

const expand: Operator = {
  attributes: {},
  infer(context) {
    const { dtype, shape } = required(context, 0);
    return [{ dtype, shape: broadcastShapes([shape, constantNumbers(context, 1)], describeNode(context.node)) }];
  },
  evaluate(context) {
    const { dtype, shape: before, data: source } = context.inputs[0]!;
    const shape = broadcastShapes([before, numbersOf(context, 1)!], 'Expand');
    const extra = shape.length - before.length;
    const strides = stridesOf(before);
    const data = emptyLike(source, sizeOf(shape));
    copyStrided(
      shape,
      {
        data: source,
        offset: 0,
        strides: shape.map((_, axis) => (axis < extra || before[axis - extra] === 1 ? 0 : strides[axis - extra]!)),
      },
      { data, offset: 0, strides: stridesOf(shape) },
    );
    return [{ dtype, shape, data }];
  },
};

const tile: Operator = {
  attributes: {},
  infer(context) {
    const { dtype, shape } = required(context, 0);
    const repeats = constantNumbers(context, 1);
    if (repeats.length !== shape.length) {
      throw new ShapeError(`${describeNode(context.node)} has ${repeats.length} repeats for the shape [${shape}]`);
    }
    return [{ dtype, shape: shape.map((dimension, axis) => dimension * repeats[axis]!) }];
  },
  evaluate(context) {
    const { dtype, shape: before, data: source } = context.inputs[0]!;
    const repeats = numbersOf(context, 1)!;
    const shape = before.map((dimension, axis) => dimension * repeats[axis]!);
    const data = emptyLike(source, sizeOf(shape));
    const strides = stridesOf(before);
    copyStrided(
      before.flatMap((dimension, axis) => [repeats[axis]!, dimension]),
      { data: source, offset: 0, strides: strides.flatMap((stride) => [0, stride]) },
      {
        data,
        offset: 0,
        strides: stridesOf(before.flatMap((dimension, axis) => [repeats[axis]!, dimension])),
      },
    );
    return [{ dtype, shape, data }];
  },
};

export const movement: Record<string, Operator> = {
  Reshape: reshaping({ allowzero: { kind: 'int', default: 0 } }, (shape, { allowzero }, request) =>
    reshapeTarget(shape, request!, allowzero === 1),
  ),
  Flatten: reshaping({ axis: { kind: 'int', default: 1 } }, (shape, { axis }) => {
    // The end of the shape is a place to cut, too.
    const cut = axis === shape.length ? axis : normalizeAxis(axis, shape.length, 'Flatten');
    return [sizeOf(shape.slice(0, cut)), sizeOf(shape.slice(cut))];
  }),
  Squeeze: reshaping({}, (shape, _, axes) => squeezeTarget(shape, axes)),
  Unsqueeze: reshaping({}, (shape, _, axes) => unsqueezeTarget(shape, axes!)),
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Expand: expand,
  Tile: tile,
};
