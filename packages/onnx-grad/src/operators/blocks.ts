/** @file DepthToSpace and SpaceToDepth: channels into pixels and back, as a reshape, a transpose and a reshape. */
import { ShapeError } from '../errors.ts';
import { describeNode } from '../graph.ts';
import { type InferContext, type Operator, required } from './operator.ts';
import { permuteAxes } from './strided.ts';

/** A rearrangement: the shape to see the input in, the order of its axes, and the shape of the result. */
export interface Rearrangement {
  separate: number[];
  permutation: number[];
  shape: number[];
}

/** DepthToSpace in mode DCR (depth, column, row) or CRD, for an input [N, C, H, W]. */
export function depthToSpace(shape: readonly number[], block: number, mode: string): Rearrangement {
  const [n, c, h, w] = shape as [number, number, number, number];
  const channels = c / (block * block);
  const result = [n, channels, h * block, w * block];
  return mode === 'CRD'
    ? { separate: [n, channels, block, block, h, w], permutation: [0, 1, 4, 2, 5, 3], shape: result }
    : { separate: [n, block, block, channels, h, w], permutation: [0, 3, 4, 1, 5, 2], shape: result };
}

/** SpaceToDepth, whose channels are ordered as DepthToSpace's mode DCR reads them. */
export function spaceToDepth(shape: readonly number[], block: number): Rearrangement {
  const [n, c, h, w] = shape as [number, number, number, number];
  return {
    separate: [n, c, h / block, block, w / block, block],
    permutation: [0, 3, 5, 1, 2, 4],
    shape: [n, c * block * block, h / block, w / block],
  };
}

function rearranging(
  attributes: Operator['attributes'],
  rearrange: (shape: readonly number[], attributes: InferContext['attributes']) => Rearrangement,
): Operator {
  return {
    attributes,
    infer(context) {
      const { dtype, shape } = required(context, 0);
      if (shape.length !== 4) throw new ShapeError(`${describeNode(context.node)} needs rank 4, not [${shape}]`);
      const { separate, shape: result } = rearrange(shape, context.attributes);
      if (!separate.every(Number.isInteger)) {
        throw new ShapeError(
          `${describeNode(context.node)} cannot rearrange [${shape}] in blocks of ${context.attributes.blocksize}`,
        );
      }
      return [{ dtype, shape: result }];
    },
    evaluate({ inputs, attributes: values }) {
      const { dtype, shape: before, data } = inputs[0]!;
      const { separate, permutation, shape } = rearrange(before, values);
      return [{ ...permuteAxes({ dtype, shape: separate, data }, permutation), shape }];
    },
  };
}

export const blocks: Record<string, Operator> = {
  DepthToSpace: rearranging(
    { blocksize: { kind: 'int' }, mode: { kind: 'string', default: 'DCR' } },
    (shape, { blocksize, mode }) => depthToSpace(shape, blocksize, mode),
  ),
  SpaceToDepth: rearranging({ blocksize: { kind: 'int' } }, (shape, { blocksize }) => spaceToDepth(shape, blocksize)),
};
