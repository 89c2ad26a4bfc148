/** @file Gradient of Resize: the transpose of each axis' interpolation. */
import type { GraphBuilder } from '../builder.ts';
import { type Interpolation, interpolation } from '../operators/interpolation.ts';
import { interpolationOptions, isUntouched, resizedAxes, resizeNumbers } from '../operators/resize.ts';
import type { Value } from '../value.ts';
import { constantNumbers } from './constants.ts';
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

// A longer axis, of a signal, is not worth a matrix that is almost empty.
const LARGEST_MATRIX = 1 << 21;

/** The same sum, one neighbour at a time: weighted, and added to where it was read. */
function tapByTap(g: GraphBuilder, dy: Value, axis: number, map: Interpolation, length: number): Value {
  const target = map.indices.length / map.taps;
  const rows = Array.from({ length: target }, (_, row) => row);
  const parts = Array.from({ length: map.taps }, (_, k) => {
    const weights = rows.map((row) => (map.outside.has(row) ? 0 : map.weights[row * map.taps + k]!));
    const shape = dy.shape.map((_, other) => (other === axis ? target : 1));
    const indices = rows.map((row) => map.indices[row * map.taps + k]!);
    return selectionAdjoint(g, g.mul(dy, g.constant(weights, shape, dy)), axis, indices, length);
  });
  return g.sum(parts);
}

const resize: Rule = ({ g, dy, node, inputs, attributes, has }) => [
  () => {
    const { shape } = inputs[0]!;
    const options = interpolationOptions(attributes);
    const numbers = resizeNumbers((i) => (has(i) ? constantNumbers(inputs[i]!) : undefined));
    return resizedAxes(shape, numbers, attributes, node.op).reduceRight((cotangent, resized, axis) => {
      if (isUntouched(resized, options.coordinates)) return cotangent;
      const map = interpolation(resized, options);
      if (options.mode === 'nearest' && map.outside.size === 0) {
        return selectionAdjoint(g, cotangent, axis, map.indices, resized.length);
      }
      return resized.length * resized.target <= LARGEST_MATRIX
        ? multiplyAlong(g, cotangent, axis, transposed(map, resized.length))
        : tapByTap(g, cotangent, axis, map, resized.length);
    }, dy);
  },
];

export const resizing: Record<string, Rule> = { Resize: resize };
