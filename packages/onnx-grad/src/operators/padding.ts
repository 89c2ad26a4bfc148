/** @file Pad, in its four modes. */

import { ShapeError } from '../errors.ts';
import { checkTableSize } from '../fold.ts';
import { describeNode, sizeOf } from '../graph.ts';
import { numbersOf, optionalNumbers } from './movement.ts';
import { constantNumbers, normalizeAxis, type Operator, required } from './operator.ts';
import { copyStrided, emptyLike, selectAlong, stridesOf } from './strided.ts';

const MODES = ['constant', 'reflect', 'edge', 'wrap'];

export type PadMode = 'constant' | 'reflect' | 'edge' | 'wrap';

/** Counts of added elements for every axis, from the inputs `pads` and `axes`; negative counts crop. */
export function padCounts(
  rank: number,
  pads: readonly number[],
  axes: readonly number[] | undefined,
  what: string,
): { before: number[]; after: number[] } {
  const named = axes?.map((axis) => normalizeAxis(axis, rank, what)) ?? Array.from({ length: rank }, (_, axis) => axis);
  if (pads.length !== 2 * named.length) {
    throw new ShapeError(`${what} has ${pads.length} counts for ${named.length} axes`);
  }
  const before: number[] = new Array(rank).fill(0);
  const after: number[] = new Array(rank).fill(0);
  named.forEach((axis, i) => {
    before[axis] = pads[i]!;
    after[axis] = pads[i + named.length]!;
  });
  return { before, after };
}

/**
 * Where each element of a padded axis comes from. Cropping comes first: what is left is what is reflected, extended
 * or repeated.
 */
export function padSources(
  mode: Exclude<PadMode, 'constant'>,
  length: number,
  before: number,
  after: number,
): number[] {
  checkTableSize(length + before + after, `an axis padded in mode '${mode}'`);
  const first = Math.max(0, -before);
  const count = length - first - Math.max(0, -after);
  const modulo = (i: number, period: number) => ((i % period) + period) % period;
  const source = (i: number): number => {
    if (mode === 'edge') return Math.min(Math.max(i, 0), count - 1);
    if (mode === 'wrap') return modulo(i, count);
    if (count === 1) return 0;
    const folded = modulo(i, 2 * (count - 1));
    return folded < count ? folded : 2 * (count - 1) - folded;
  };
  return Array.from({ length: length + before + after }, (_, i) => first + source(i - Math.max(0, before)));
}

const pad: Operator = {
  attributes: { mode: { kind: 'string', default: 'constant' } },
  infer(context) {
    const { dtype, shape } = required(context, 0);
    const what = describeNode(context.node);
    const { before, after } = padCounts(shape.length, constantNumbers(context, 1), optionalNumbers(context, 3), what);
    const padded = shape.map((dimension, axis) => dimension + before[axis]! + after[axis]!);
    if (padded.some((dimension) => dimension < 0)) {
      throw new ShapeError(`${what} crops more than there is: [${shape}] becomes [${padded}]`);
    }
    const { mode } = context.attributes;
    if (!MODES.includes(mode)) throw new ShapeError(`${what} has the unknown mode '${mode}'`);
    const nothingLeft = shape.some((d, axis) => d + Math.min(0, before[axis]!) + Math.min(0, after[axis]!) <= 0);
    if (mode !== 'constant' && nothingLeft && !padded.includes(0)) {
      throw new ShapeError(`${what} has nothing to extend along an axis of [${shape}]`);
    }
    return [{ dtype, shape: padded }];
  },
  evaluate(context) {
    const x = context.inputs[0]!;
    const mode: PadMode = context.attributes.mode;
    const { before, after } = padCounts(x.shape.length, numbersOf(context, 1)!, numbersOf(context, 3), 'Pad');
    if (mode !== 'constant') {
      return [
        x.shape.reduce(
          (y, length, axis) =>
            before[axis] === 0 && after[axis] === 0
              ? y
              : selectAlong(y, axis, padSources(mode, length, before[axis]!, after[axis]!)),
          x,
        ),
      ];
    }
    const shape = x.shape.map((dimension, axis) => dimension + before[axis]! + after[axis]!);
    const data = emptyLike(x.data, sizeOf(shape));
    const fill = context.inputs[2]?.data[0] ?? 0;
    if (fill !== 0) data.fill(fill);
    const from = stridesOf(x.shape);
    const to = stridesOf(shape);
    const offset = (strides: number[], first: readonly number[]) =>
      strides.reduce((sum, stride, axis) => sum + stride * Math.max(0, first[axis]!), 0);
    copyStrided(
      x.shape.map((d, axis) => Math.max(0, d + Math.min(0, before[axis]!) + Math.min(0, after[axis]!))),
      {
        data: x.data,
        offset: offset(
          from,
          before.map((count) => -count),
        ),
        strides: from,
      },
      { data, offset: offset(to, before), strides: to },
    );
    return [{ dtype: x.dtype, shape, data }];
  },
};

export const padding: Record<string, Operator> = { Pad: pad };
