/** The cases of `shared/fixtures/attribution-cases.json`: attributions that other libraries state or compute. */
import { existsSync, readFileSync } from 'node:fs';
import type { GraphBuilder, Value } from 'onnx-grad';
import { expect } from 'vitest';
import type { ModelDescription } from '../../models/classifier.ts';
import { modelOf } from '../../models/testing/small-models.ts';
import { sizeOf, type Tensor } from '../../tensor.ts';

export type Nested = number | readonly Nested[];

interface Layer {
  name: string;
  op: string;
  in: (string | { const: number })[];
  W?: Nested;
  b?: number[];
  attrs?: Record<string, number | number[]>;
}

export interface Case {
  id: string;
  method: string;
  model: { inputs: Record<string, (string | number)[]>; layers: Layer[]; output: string };
  input: Record<string, Nested>;
  baseline: Record<string, Nested> | null;
  target: number | number[] | null;
  params: {
    method?: string;
    n_steps?: number;
    multiply_by_inputs?: boolean;
    abs?: boolean;
    nt_type?: string;
    stdevs?: number;
    layer?: string;
    neuron?: number | number[];
    relu_attributions?: boolean;
    variant?: string;
    size?: number[];
    alignCorners?: boolean;
  };
  expected: Record<string, Nested>;
  tolerance: { atol: number; mode: 'max' | 'sum' };
  forward: Nested;
}

export const FILE = '../shared/fixtures/attribution-cases.json';
/** Whether the cases are here; tests are skipped where they are not. */
export const present = existsSync(FILE);
export const cases: Case[] = present ? JSON.parse(readFileSync(FILE, 'utf8')).cases : [];

/** The published numbers are in double precision, our arithmetic is in single. */
const SINGLE_PRECISION = 2e-6;

export const flatten = (nested: Nested): number[] => (typeof nested === 'number' ? [nested] : nested.flatMap(flatten));
export const shapeOf = (nested: Nested): number[] =>
  typeof nested === 'number' ? [] : [nested.length, ...shapeOf(nested[0]!)];

/** All inputs of an example side by side, [N, all]. */
export function joined(values: Record<string, Nested>, inputs: readonly string[]): Tensor {
  const count = shapeOf(values[inputs[0]!]!)[0]!;
  const parts = inputs.map((name) => flatten(values[name]!));
  const data = Array.from({ length: count }, (_, n) =>
    parts.flatMap((part) => part.slice((n * part.length) / count, ((n + 1) * part.length) / count)),
  ).flat();
  return { shape: [count, data.length / count], data: Float32Array.from(data) };
}

/**
 * The case's network on the joined inputs, with its layers under their names; with no target, its one logit is the sum
 * of the outputs.
 */
export function modelFrom({ model, target, forward }: Case): ModelDescription {
  const inputs = Object.entries(model.inputs);
  const size = (shape: readonly (string | number)[]) => sizeOf(shape.slice(1).map(Number));
  const total = inputs.reduce((sum, [, shape]) => sum + size(shape), 0);
  const outputs = flatten(forward).length / shapeOf(forward)[0]!;
  return modelOf([total], target === null ? 1 : outputs, (g, x) => {
    const values = new Map<string, Value>();
    let start = 0;
    for (const [name, shape] of inputs) {
      const part = g.slice(x, { starts: [start], ends: [start + size(shape)], axes: [1] });
      values.set(name, g.op('Reshape', [part, g.integers([-1, ...shape.slice(1).map(Number)])]));
      start += size(shape);
    }
    for (const layer of model.layers) values.set(layer.name, g.rename(write(g, layer, values), layer.name));
    const output = g.op('Reshape', [values.get(model.output)!, g.integers([-1, outputs])]);
    return g.rename(target === null ? g.reduceSum(output, [1], true) : output, 'logits');
  });
}

function write(g: GraphBuilder, { name, op, in: from, W, b, attrs }: Layer, values: ReadonlyMap<string, Value>): Value {
  const inputs = from.map((input) => (typeof input === 'string' ? values.get(input)! : g.constant(input.const)));
  if (op === 'Gather') return g.gather(inputs[0]!, g.integers([attrs!.index as number], []), attrs!.axis as number);
  if (op === 'Reshape') return g.op('Reshape', [inputs[0]!, g.integers(attrs!.shape as number[])]);
  if (W !== undefined)
    inputs.push(
      g.parameter(`${name}.weight`, { dtype: 'float32', shape: shapeOf(W), data: Float32Array.from(flatten(W)) }),
    );
  if (b !== undefined)
    inputs.push(g.parameter(`${name}.bias`, { dtype: 'float32', shape: [b.length], data: Float32Array.from(b) }));
  return g.op(op, inputs, op === 'Gemm' ? { transB: 1 } : { ...attrs });
}

export function expectWithin(found: Float32Array, expected: Float32Array, { atol, mode }: Case['tolerance']): void {
  const errors = Array.from(expected, (value, i) => Math.abs(value - found[i]!));
  const scale = Math.max(1, ...expected.map(Math.abs));
  const allowed = Math.max(atol, SINGLE_PRECISION * scale * (mode === 'sum' ? errors.length : 1));
  expect(mode === 'max' ? Math.max(...errors) : errors.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(allowed);
}
