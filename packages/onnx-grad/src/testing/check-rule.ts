/**
 * @file Checks a gradient rule against central differences of the double-precision evaluator: first order, and second
 * order by differentiating the backward graph again.
 */
import { expect } from 'vitest';
import { type AttributeInput, GraphBuilder } from '../builder.ts';
import type { NumericArray } from '../evaluate/array.ts';
import { evaluateGraph } from '../evaluate/evaluate-graph.ts';
import { gradient } from '../gradient.ts';
import { type DataType, sizeOf } from '../graph.ts';
import type { Value } from '../value.ts';

export interface RuleInput {
  shape: readonly number[];
  /** Numbers, or a function of the flat index; pseudo-random in (−1, 1) when left out. */
  data?: readonly number[] | ((index: number) => number);
  dtype?: DataType;
  /** Written into the graph as a constant instead of fed: axes, shapes, pads ... */
  constant?: boolean;
  /** Differentiate by this input? Default: yes for floats that are not constant. */
  differentiate?: boolean;
}

export interface RuleCase {
  op: string;
  inputs: readonly (RuleInput | undefined)[];
  attributes?: Record<string, AttributeInput>;
  outputCount?: number;
  /** Which output to differentiate. Default 0. */
  output?: number;
  /** Largest |analytic − numeric| / max |numeric|, default 1e-6. */
  tolerance?: number;
  /** Check the second derivative too; default true. */
  secondOrder?: boolean;
  /** Step of the central differences, default 1e-5. */
  step?: number;
}

/** Deterministic pseudo-random numbers in (−1, 1), never close to 0. */
export function testNumbers(count: number, seed = 1): number[] {
  let state = (seed * 2654435761) >>> 0 || 1;
  return Array.from({ length: count }, () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    const u = (state / 2 ** 32) * 2 - 1;
    return Math.sign(u || 1) * (0.05 + 0.95 * Math.abs(u));
  });
}

interface Feed {
  value: Value;
  array: NumericArray;
}

/** Builds Σ weights · op(inputs), differentiates it, and compares with differences. */
export function checkRule(test: RuleCase): void {
  const g = new GraphBuilder();
  const feeds: Feed[] = [];
  const variables: Feed[] = [];
  const inputs = test.inputs.map((input, i) => {
    if (input === undefined) return undefined;
    const { shape, dtype = 'float32' } = input;
    const content = input.data ?? testNumbers(sizeOf(shape), i + 1);
    const numbers =
      typeof content === 'function' ? Array.from({ length: sizeOf(shape) }, (_, k) => content(k)) : content;
    if (input.constant) return g.constant([...numbers], shape, { dtype });
    const value = g.input(`x${i}`, dtype, shape);
    const feed = { value, array: { dtype, shape, data: Float64Array.from(numbers) } };
    feeds.push(feed);
    if (input.differentiate ?? dtype.startsWith('float')) variables.push(feed);
    return value;
  });
  const y = g.node(test.op, inputs, test.attributes ?? {}, test.outputCount ?? 1)[test.output ?? 0]!;
  const objective = weightedSum(g, y, 11);
  const first = gradient(g, { of: objective, wrt: variables.map((v) => v.value) });
  compare(g, objective, variables, first, feeds, test, 'first order');
  if (test.secondOrder === false) return;
  const parts = first.map((value, i) => weightedSum(g, value, 21 + i));
  const directional = g.sum(parts);
  const second = gradient(g, { of: directional, wrt: variables.map((v) => v.value) });
  compare(g, directional, variables, second, feeds, test, 'second order');
}

function weightedSum(g: GraphBuilder, x: Value, seed: number): Value {
  const weights = g.constant(testNumbers(sizeOf(x.shape), seed), x.shape, x);
  return g.reduceSum(
    g.mul(x, weights),
    x.shape.map((_, axis) => axis),
  );
}

function compare(
  g: GraphBuilder,
  objective: Value,
  variables: readonly Feed[],
  gradients: readonly Value[],
  feeds: readonly Feed[],
  test: RuleCase,
  label: string,
): void {
  const step = test.step ?? 1e-5;
  const run = (override?: { name: string; data: Float64Array }) =>
    evaluateGraph(
      g.graph,
      Object.fromEntries(
        feeds.map(({ value, array }) => [
          value.name,
          override?.name === value.name ? { ...array, data: override.data } : array,
        ]),
      ),
    );
  const at = (values: Map<string, NumericArray>, value: Value): ArrayLike<number> =>
    values.get(value.name)?.data ?? (value.constant!.data as Float32Array);
  const values = run();
  variables.forEach(({ value, array }, k) => {
    const analytic = at(values, gradients[k]!);
    const numeric = Array.from(array.data, (_, i) => {
      const evaluate = (delta: number) => {
        const data = Float64Array.from(array.data);
        data[i] = data[i]! + delta;
        return at(run({ name: value.name, data }), objective)[0]!;
      };
      return (evaluate(step) - evaluate(-step)) / (2 * step);
    });
    const scale = Math.max(1e-3, ...numeric.map(Math.abs));
    const error = Math.max(0, ...numeric.map((n, i) => Math.abs(n - analytic[i]!))) / scale;
    expect(
      error,
      `${test.op} ${JSON.stringify(test.attributes ?? {})}, ${label}, input ${value.name}`,
    ).toBeLessThanOrEqual(test.tolerance ?? 1e-6);
    expect(analytic.length).toBe(numeric.length);
  });
}
