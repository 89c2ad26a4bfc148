/** @file Gives a model's symbolic dimensions their numbers. */
import { ShapeError } from './errors.ts';
import { MAX_ELEMENTS } from './fold.ts';
import { type DataType, type Dimension, type Graph, sizeOf, type ValueInfo } from './graph.ts';

export interface BoundInput {
  name: string;
  dtype: DataType;
  shape: readonly number[];
}

/** "[N, 3, ?, 224]": how messages write a declared shape. */
export const describeShape = (shape: readonly Dimension[] | undefined): string =>
  shape === undefined ? 'any shape' : `[${shape.map((dimension) => dimension ?? '?').join(', ')}]`;

/**
 * The static shape of each input of the model. A symbol bound by one input holds for all.
 *
 * @throws ShapeError for a name the model does not have, a shape that does not fit the declared one, or one left open
 */
export function bindShapes(graph: Graph, shapes: Readonly<Record<string, readonly number[]>>): BoundInput[] {
  const inputs = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  for (const name of Object.keys(shapes)) {
    if (inputs.some((input) => input.name === name)) continue;
    throw new ShapeError(
      `the model has no input '${name}'; its inputs are ${inputs.map(describeInput).join(', ') || 'none'}`,
    );
  }
  const symbols = new Map<string, number>();
  for (const input of inputs) {
    const given = Object.hasOwn(shapes, input.name) ? shapes[input.name] : undefined;
    if (given !== undefined) bindSymbols(input, given, symbols);
  }
  return inputs.map((input) => {
    const shape = Object.hasOwn(shapes, input.name) ? shapes[input.name]! : resolve(input, symbols);
    if (sizeOf(shape) > MAX_ELEMENTS) {
      throw new ShapeError(`input '${input.name}' of shape [${shape}] has more than ${MAX_ELEMENTS} elements`);
    }
    return { name: input.name, dtype: input.dtype, shape };
  });
}

const describeInput = ({ name, shape }: ValueInfo): string => `'${name}' ${describeShape(shape)}`;

function bindSymbols({ name, shape }: ValueInfo, given: readonly number[], symbols: Map<string, number>): void {
  const misfit = (reason: string): ShapeError =>
    new ShapeError(
      `input '${name}' is declared ${describeShape(shape)}, which the shape [${given.join(', ')}] does not fit: ${reason}`,
    );
  if (given.some((length) => !Number.isSafeInteger(length) || length < 0)) throw misfit('lengths are whole numbers');
  if (shape === undefined) return;
  if (shape.length !== given.length) throw misfit(`it has rank ${given.length}, not ${shape.length}`);
  shape.forEach((dimension, axis) => {
    const length = given[axis]!;
    if (typeof dimension === 'number' && dimension !== length)
      throw misfit(`axis ${axis} is ${length}, not ${dimension}`);
    if (typeof dimension !== 'string') return;
    const bound = symbols.get(dimension);
    if (bound !== undefined && bound !== length) throw misfit(`${dimension} is already ${bound}`);
    symbols.set(dimension, length);
  });
}

function resolve({ name, shape }: ValueInfo, symbols: ReadonlyMap<string, number>): number[] {
  const open = () => new ShapeError(`the shape of input '${name}', declared ${describeShape(shape)}, must be given`);
  if (shape === undefined) throw open();
  return shape.map((dimension) => {
    const length = typeof dimension === 'string' ? symbols.get(dimension) : dimension;
    if (length === undefined || length === null) throw open();
    return length;
  });
}
