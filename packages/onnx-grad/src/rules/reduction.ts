/** @file Gradients of reductions. */
import type { GraphBuilder } from '../builder.ts';
import { describeNode, sizeOf } from '../graph.ts';
import { keptShape, reducedAxes } from '../operators/reduction.ts';
import type { Value } from '../value.ts';
import type { Rule } from './rule.ts';

interface ReductionContext {
  readonly g: GraphBuilder;
  readonly x: Value;
  /** Output and cotangent with the reduced axes kept at length 1, so that they broadcast to x. */
  readonly y: Value;
  readonly dy: Value;
  readonly axes: readonly number[];
}

/** The rule of a reduction: `f` may return anything that broadcasts to x. */
const reduce =
  (f: (context: ReductionContext) => Value): Rule =>
  ({ g, node, attributes, dy, inputs: [x, given], outputs: [y] }) => [
    () => {
      const { shape } = x!;
      const list = given?.constant && Array.from(given.constant.data as ArrayLike<bigint>, Number);
      const axes = reducedAxes(list, shape.length, attributes, describeNode(node));
      const kept = keptShape(shape, axes);
      return g.expand(f({ g, x: x!, y: g.reshape(y!, kept), dy: g.reshape(dy, kept), axes }), shape);
    },
  ];

/** Elements that attain the extreme share equally, as in PyTorch's `amax`. */
const extreme = reduce(({ g, x, y, dy, axes }) => {
  const attains = g.cast(g.equal(x, y), x.dtype);
  return g.mul(attains, g.div(dy, g.reduceSum(attains, axes, true)));
});

/**
 * The product of all other elements along the last axis of x [rows, n], by a tree of pairwise products: exact at zeros,
 * where y / x is not, and with exact further derivatives.
 */
function productOfOthers(g: GraphBuilder, x: Value): Value {
  const [rows = 1, n = 1] = x.shape;
  if (n === 1) return g.constant(1, x.shape, x);
  const half = Math.ceil(n / 2);
  const even = n % 2 === 0 ? x : g.concat([x, g.constant(1, [rows, 1], x)], 1);
  const [left, right] = g.split(even, [half, half], 1) as [Value, Value];
  const others = productOfOthers(g, g.mul(left, right));
  const result = g.concat([g.mul(others, right), g.mul(others, left)], 1);
  return g.slice(result, { starts: [0], ends: [n], axes: [1] });
}

export const reduction: Record<string, Rule> = {
  ReduceSum: reduce(({ dy }) => dy),
  ReduceMean: reduce(({ g, x, dy }) => g.scale(dy, sizeOf(dy.shape) / sizeOf(x.shape))),
  ReduceMax: extreme,
  ReduceMin: extreme,
  ReduceProd: reduce(({ g, x, dy, axes }) => {
    const order = [...x.shape.keys()].sort((a, b) => Number(axes.includes(a)) - Number(axes.includes(b)) || a - b);
    const moved = g.transpose(x, order);
    const rows = sizeOf(dy.shape);
    const others = productOfOthers(g, g.reshape(moved, [rows, sizeOf(x.shape) / rows]));
    const back = order.map((_, axis) => order.indexOf(axis));
    return g.mul(dy, g.transpose(g.reshape(others, moved.shape), back));
  }),
  ReduceL1: reduce(({ g, x, dy }) => g.mul(dy, g.sign(x))),
  /** 0 for a vector of zeros, as in PyTorch. */
  ReduceL2: reduce(({ g, x, y, dy }) => {
    const positive = g.greater(y, g.constant(0, [], y));
    return g.mul(x, g.div(dy, g.where(positive, y, g.constant(1, [], y))));
  }),
  ReduceSumSquare: reduce(({ g, x, dy }) => g.mul(x, g.scale(dy, 2))),
  ReduceLogSum: reduce(({ g, x, dy, axes }) => g.div(dy, g.reduceSum(x, axes, true))),
  ReduceLogSumExp: reduce(({ g, x, y, dy }) => g.mul(dy, g.exp(g.sub(x, y)))),
};
