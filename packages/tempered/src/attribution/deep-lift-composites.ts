/** @file Operators that DeepLIFT takes apart into others, for each of which it has an exact rule. */
import type { GraphBuilder, RuleContext, Value } from 'onnx-grad';

/** Writes the operator's first output; the shape may differ from it by axes of length 1. */
type Composite = (
  g: GraphBuilder,
  inputs: readonly Value[],
  node: Pick<RuleContext, 'attributes' | 'outputs'>,
) => Value;

/** The axes of a reduction of x; all when none are given. */
export function reducedAxes(x: Value, axes: Value | undefined): number[] {
  const given = axes?.constant && Array.from(axes.constant.data as ArrayLike<bigint | number>, Number);
  if (!given || given.length === 0) return [...x.shape.keys()];
  return given.map((axis) => (axis < 0 ? axis + x.shape.length : axis));
}

const reduction =
  (before: (g: GraphBuilder, x: Value) => Value, after: (g: GraphBuilder, sum: Value) => Value): Composite =>
  (g, [x, axes]) =>
    after(g, g.reduceSum(before(g, x!), reducedAxes(x!, axes), true));

const itself = (_: GraphBuilder, value: Value) => value;
const square = (g: GraphBuilder, x: Value) => g.square(x);
const root = (g: GraphBuilder, x: Value) => g.sqrt(x);

/** (x − mean) / √(variance + ε) along axes. */
function whitened(g: GraphBuilder, x: Value, axes: readonly number[], epsilon: number): Value {
  const centred = g.sub(x, g.reduceMean(x, axes, true));
  return g.div(centred, g.sqrt(g.offset(g.reduceMean(g.square(centred), axes, true), epsilon)));
}

function power(g: GraphBuilder, x: Value, p: number): Value {
  if (p === 1) return g.abs(x);
  return p === 2 ? g.square(x) : g.pow(g.abs(x), g.constant(p, [], x));
}

const spatial = (x: Value): number[] => [...x.shape.keys()].slice(2);

/** A vector over channels in the shape in which it broadcasts to [N, C, ...]. */
const overChannels = (g: GraphBuilder, vector: Value, x: Value): Value =>
  g.reshape(vector, [vector.shape[0]!, ...spatial(x).map(() => 1)]);

export const composites: Readonly<Record<string, Composite>> = {
  ReduceL1: reduction((g, x) => g.abs(x), itself),
  ReduceL2: reduction(square, root),
  ReduceSumSquare: reduction(square, itself),
  ReduceLogSum: reduction(itself, (g, sum) => g.log(sum)),
  GlobalLpPool: (g, [x], { attributes: { p } }) => {
    const sum = g.reduceSum(power(g, x!, p), spatial(x!), true);
    return p === 1 ? sum : g.pow(sum, g.constant(1 / p, [], sum));
  },
  LpNormalization: (g, [x], { attributes: { p, axis } }) => {
    const axes = [axis < 0 ? axis + x!.shape.length : axis];
    const sum = g.reduceSum(power(g, x!, p), axes, true);
    return g.div(x!, p === 1 ? sum : g.sqrt(sum));
  },
  LayerNormalization: (g, [x, scale, bias], { attributes: { axis, epsilon } }) => {
    const first = axis < 0 ? axis + x!.shape.length : axis;
    const scaled = g.mul(whitened(g, x!, [...x!.shape.keys()].slice(first), epsilon), scale!);
    return bias ? g.add(scaled, bias) : scaled;
  },
  InstanceNormalization: (g, [x, scale, bias], { attributes: { epsilon } }) =>
    g.add(g.mul(whitened(g, x!, spatial(x!), epsilon), overChannels(g, scale!, x!)), overChannels(g, bias!, x!)),
  /** y = x · (bias + α/size · Σ x² over neighbouring channels)^−β. */
  LRN: (g, [x], { attributes: { alpha, beta, bias, size } }) => {
    const before = Math.floor((size - 1) / 2);
    const channels = x!.shape[1]!;
    const along = (count: number) => x!.shape.map((_, axis) => (axis === 1 ? count : 0));
    const padded = g.pad(g.square(x!), along(before), along(size - 1 - before));
    const neighbours = Array.from({ length: size }, (_, k) =>
      g.slice(padded, { starts: [k], ends: [k + channels], axes: [1] }),
    );
    const base = g.offset(g.scale(g.sum(neighbours), alpha / size), bias);
    return g.mul(x!, g.pow(base, g.constant(-beta, [], x!)));
  },
};
