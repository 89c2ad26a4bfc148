/** @file Gradient of Resize: the transpose of each axis' interpolation. */
import { toNumeric } from '../evaluate/array.ts';
import { type Interpolation, interpolation } from '../operators/interpolation.ts';
import { interpolationOptions, isUntouched, resizedAxes, resizeNumbers } from '../operators/resize.ts';
import type { Rule } from './rule.ts';
import { type Matrix, multiplyAlong, selectionAdjoint } from './selection.ts';

/** The transposed matrix: [input length, output length]. */
function transposed({ taps, indices, weights, outside }: Interpolation, length: number): Matrix {
  const columns = indices.length / taps;
  const data = new Float64Array(length * columns);
  indices.forEach((index, k) => {
    const column = Math.floor(k / taps);
    if (!outside.has(column)) data[index * columns + column] = data[index * columns + column]! + weights[k]!;
  });
  return { rows: length, columns, data };
}

const resize: Rule = ({ g, dy, node, inputs, attributes, has }) => [
  () => {
    const { shape } = inputs[0]!;
    const options = interpolationOptions(attributes);
    const numbers = resizeNumbers((i) => (has(i) ? Array.from(toNumeric(inputs[i]!.constant!).data) : undefined));
    return resizedAxes(shape, numbers, attributes, node.op).reduceRight((cotangent, resized, axis) => {
      if (isUntouched(resized, options.coordinates)) return cotangent;
      const map = interpolation(resized, options);
      return options.mode === 'nearest' && map.outside.size === 0
        ? selectionAdjoint(g, cotangent, axis, map.indices, resized.length)
        : multiplyAlong(g, cotangent, axis, transposed(map, resized.length));
    }, dy);
  },
];

export const resizing: Record<string, Rule> = { Resize: resize };
