/** @file Which constant expressions are computed at build time, so that folding never takes unbounded time or memory. */
import { ShapeError } from './errors.ts';
import { describeNode, type Node, sizeOf } from './graph.ts';
import type { Value, ValueType } from './value.ts';

/** No value of a graph may have more elements. */
export const MAX_ELEMENTS = 2 ** 28;

/** Larger constants stay expressions, which the runtime computes when it loads the graph. */
export const MAX_FOLDED_ELEMENTS = 2 ** 22;

/** Multiplications that folding one node may take. */
const MAX_WORK = 2 ** 26;

/** Operators whose work is more than a few steps for each element they read or write. */
const HEAVY = new Set([
  'Conv',
  'ConvTranspose',
  'AveragePool',
  'MaxPool',
  'LpPool',
  'LRN',
  'Resize',
  'Einsum',
  'TopK',
  'ScatterND',
]);

/** Whether a node whose inputs are all constant is computed now. */
export function isFoldable(op: string, inputs: readonly (Value | undefined)[], outputs: readonly ValueType[]): boolean {
  const sizes = inputs.map((input) => (input === undefined ? 0 : sizeOf(input.shape)));
  const size = Math.max(0, ...outputs.map(({ shape }) => sizeOf(shape)));
  if (inputs.some((input) => input?.dtype === 'string') || outputs.some(({ dtype }) => dtype === 'string'))
    return false;
  if (Math.max(size, ...sizes) > MAX_FOLDED_ELEMENTS) return false;
  if (op === 'MatMul' || op === 'Gemm') return size * Math.max(...(inputs[0]?.shape.slice(-2) ?? []), 1) <= MAX_WORK;
  return !HEAVY.has(op) || size * Math.max(...sizes) <= MAX_WORK;
}

/** The types of a node's outputs, if they are sound; a ShapeError otherwise. */
export function checkTypes(node: Node, types: readonly ValueType[]): readonly ValueType[] {
  if (types.length < node.outputs.length) {
    throw new ShapeError(
      `${describeNode(node)} names ${node.outputs.length} outputs, but the operator has ${types.length}`,
    );
  }
  for (const { shape } of types) {
    const size = sizeOf(shape);
    if (shape.some((length) => !Number.isSafeInteger(length) || length < 0)) {
      throw new ShapeError(`${describeNode(node)} would have the impossible shape [${shape.join(', ')}]`);
    }
    if (size > MAX_ELEMENTS) {
      throw new ShapeError(`${describeNode(node)} would have ${size} elements; at most ${MAX_ELEMENTS} are supported`);
    }
  }
  return types;
}

/**
 * Refuses lists of indices or weights, written out when a graph is built, that are far longer than any image is wide.
 *
 * @param what "the table of Resize"
 */
export function checkTableSize(count: number, what: string, most = 2 ** 20): void {
  if (count > most) throw new ShapeError(`${what} would have ${count} entries; at most ${most} are supported`);
}
