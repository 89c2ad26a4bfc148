/** @file DepthToSpace and SpaceToDepth undo each other. */
import { depthToSpace } from '../operators/blocks.ts';
import type { Rule } from './rule.ts';

// Written with Transpose, because the WebGPU provider has no SpaceToDepth and ONNX's knows only one order of channels.
const depth: Rule = ({ g, dy, inputs, attributes }) => [
  () => {
    const { shape } = inputs[0]!;
    const { separate, permutation } = depthToSpace(shape, attributes.blocksize, attributes.mode);
    const blocks = g.reshape(
      dy,
      permutation.map((axis) => separate[axis]!),
    );
    const restored = g.transpose(
      blocks,
      permutation.map((_, axis) => permutation.indexOf(axis)),
    );
    return g.reshape(restored, shape);
  },
];

const space: Rule = ({ g, dy, attributes }) => [
  () => g.op('DepthToSpace', [dy], { blocksize: attributes.blocksize, mode: 'DCR' }),
];

export const blocks: Record<string, Rule> = { DepthToSpace: depth, SpaceToDepth: space };
