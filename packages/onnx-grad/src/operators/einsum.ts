/** @file Einstein summation. */
import { ShapeError } from '../errors.ts';
import type { NumericArray } from '../evaluate/array.ts';
import { describeNode, sizeOf } from '../graph.ts';
import { type Operator, required } from './operator.ts';

export interface EinsumAttributes {
  equation: string;
}

/** An equation with a label for every axis; an ellipsis becomes the labels `.1`, `.2` ..., counted from its right end. */
interface Equation {
  operands: string[][];
  output: string[];
  /** Length of each label's axis after broadcasting. */
  sizes: Map<string, number>;
}

/** Reads an equation for operands of the shapes given; throws ShapeError when it is malformed or does not fit them. */
export function parseEquation(equation: string, shapes: readonly (readonly number[])[], what: string): Equation {
  const fail = (reason: string): never => {
    throw new ShapeError(`the equation '${equation}' of ${what} ${reason}`);
  };
  const [left, right, ...rest] = equation.replaceAll(' ', '').split('->');
  if (rest.length > 0 || !/^[a-zA-Z.,]*$/.test(left! + (right ?? ''))) fail('is malformed');
  const terms = left!.split(',');
  if (terms.length !== shapes.length) fail(`has ${terms.length} terms for ${shapes.length} operands`);

  const labelsOf = (term: string, ellipsisRank: number): string[] => {
    const [before, after, ...more] = term.split('...');
    if (more.length > 0 || `${before}${after ?? ''}`.includes('.')) fail('has a malformed ellipsis');
    const dots = Array.from({ length: ellipsisRank }, (_, i) => `.${ellipsisRank - i}`);
    return after === undefined ? [...before!] : [...before!, ...dots, ...after];
  };

  let widest = 0;
  const sizes = new Map<string, number>();
  const operands = terms.map((term, k) => {
    const shape = shapes[k]!;
    const letters = term.replace('...', '').length;
    const ellipsisRank = shape.length - letters;
    if (ellipsisRank < 0 || (ellipsisRank > 0 && !term.includes('...')))
      fail(`does not fit operand ${k} of shape [${shape}]`);
    widest = Math.max(widest, ellipsisRank);
    const labels = labelsOf(term, ellipsisRank);
    labels.forEach((label, axis) => {
      const known = sizes.get(label) ?? 1;
      const size = shape[axis]!;
      if (size !== shape[labels.indexOf(label)]) fail(`repeats '${label}' on axes of different length`);
      if (known !== 1 && size !== 1 && known !== size) fail(`gives '${label}' the lengths ${known} and ${size}`);
      sizes.set(label, known === 1 ? size : known);
    });
    return labels;
  });

  const all = operands.flat();
  const dots = Array.from({ length: widest }, (_, i) => `.${widest - i}`);
  const single = [...sizes.keys()].filter(
    (label) => !label.startsWith('.') && all.filter((l) => l === label).length === 1,
  );
  const output = right === undefined ? [...dots, ...single.sort()] : labelsOf(right, widest);
  if (new Set(output).size !== output.length) fail('repeats a label in its output');
  for (const label of output) if (!sizes.has(label)) fail(`has the label '${label}' in its output only`);
  return { operands, output, sizes };
}

/** For each label, how far an array's flat index moves with it. */
function stridesOf(array: NumericArray, labels: readonly string[]): Map<string, number> {
  const strides = new Map<string, number>();
  let stride = 1;
  for (let axis = labels.length - 1; axis >= 0; axis--) {
    const size = array.shape[axis]!;
    if (size !== 1) strides.set(labels[axis]!, (strides.get(labels[axis]!) ?? 0) + stride);
    stride *= size;
  }
  return strides;
}

export const Einsum: Operator = {
  attributes: { equation: { kind: 'string' } },
  infer(context) {
    const { equation } = context.attributes as Partial<EinsumAttributes>;
    const what = describeNode(context.node);
    if (equation === undefined) throw new ShapeError(`${what} lacks the attribute 'equation'`);
    const { output, sizes } = parseEquation(
      equation,
      context.inputs.map((_, i) => required(context, i).shape),
      what,
    );
    return [{ dtype: required(context, 0).dtype, shape: output.map((label) => sizes.get(label)!) }];
  },
  evaluate({ attributes, inputs }) {
    const arrays = inputs as NumericArray[];
    const { equation } = attributes as EinsumAttributes;
    const { operands, output, sizes } = parseEquation(
      equation,
      arrays.map(({ shape }) => shape),
      'Einsum',
    );
    const labels = [...output, ...[...sizes.keys()].filter((label) => !output.includes(label))];
    const lengths = labels.map((label) => sizes.get(label)!);
    const strides = arrays.map((array, k) => {
      const own = stridesOf(array, operands[k]!);
      return labels.map((label) => own.get(label) ?? 0);
    });
    const shape = lengths.slice(0, output.length);
    const data = new Float64Array(sizeOf(shape));
    const summed = sizeOf(lengths.slice(output.length));
    const counter = lengths.map(() => 0);
    const positions = arrays.map(() => 0);
    for (let flat = 0; flat < data.length * summed; flat++) {
      let product = 1;
      arrays.forEach((array, k) => {
        product *= array.data[positions[k]!]!;
      });
      data[Math.floor(flat / summed)]! += product;
      for (let axis = labels.length - 1; axis >= 0; axis--) {
        const wraps = counter[axis]! + 1 === lengths[axis];
        const steps = wraps ? -counter[axis]! : 1;
        counter[axis]! += steps;
        for (let k = 0; k < arrays.length; k++) positions[k]! += steps * strides[k]![axis]!;
        if (!wraps) break;
      }
    }
    return [{ dtype: arrays[0]!.dtype, shape, data }];
  },
};
