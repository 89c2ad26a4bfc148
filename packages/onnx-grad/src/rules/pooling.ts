import type { GraphBuilder } from '../builder.ts';
import { sizeOf } from '../graph.ts';
import { type PoolAttributes, poolWindow } from '../operators/pooling.ts';
import type { Value } from '../value.ts';
import { averagePoolGradient, spreadWindows } from './average-pool.ts';
import { globalMaxPoolGradient, maxPoolGradient } from './max-pool.ts';
import type { Rule } from './rule.ts';

const MaxPool: Rule = ({ g, attributes, inputs, outputs, dy }) => {
  const x = inputs[0]!;
  return [() => maxPoolGradient(g, x, outputs[0]!, dy, poolWindow(attributes as PoolAttributes, x.shape, 'MaxPool'))];
};

const AveragePool: Rule = ({ g, attributes, inputs, dy }) => {
  const { shape } = inputs[0]!;
  const window = poolWindow(attributes as PoolAttributes, shape, 'AveragePool');
  return [() => averagePoolGradient(g, dy, window, shape.slice(2), attributes.count_include_pad === 1)];
};

/** y = (Σ |x|^p)^(1/p), so dx = sign(x) |x|^(p−1) · Σ over windows of dy · y^(1−p). */
const LpPool: Rule = ({ g, attributes, inputs, outputs, dy }) => {
  const x = inputs[0]!;
  const window = poolWindow(attributes as PoolAttributes, x.shape, 'LpPool');
  return [
    () => {
      const scaled = overNorm(g, dy, outputs[0]!, attributes.p);
      return g.mul(powerSlope(g, x, attributes.p), spreadWindows(g, scaled, window, x.shape.slice(2)));
    },
  ];
};

const GlobalAveragePool: Rule = ({ g, inputs, dy }) => {
  const { shape } = inputs[0]!;
  return [() => g.expand(g.scale(dy, 1 / sizeOf(shape.slice(2))), shape)];
};

const GlobalMaxPool: Rule = ({ g, inputs, outputs, dy }) => [
  () => globalMaxPoolGradient(g, inputs[0]!, outputs[0]!, dy),
];

const GlobalLpPool: Rule = ({ g, attributes, inputs, outputs, dy }) => {
  const x = inputs[0]!;
  return [() => g.mul(powerSlope(g, x, attributes.p), overNorm(g, dy, outputs[0]!, attributes.p))];
};

/** dy · y^(1−p), and 0 where the norm y is 0. */
function overNorm(g: GraphBuilder, dy: Value, y: Value, p: number): Value {
  if (p === 1) return dy;
  const one = g.constant(1, [], y);
  const empty = g.equal(y, g.constant(0, [], y));
  const safe = g.where(empty, one, y);
  const divisor = p === 2 ? safe : g.pow(safe, g.constant(p - 1, [], y));
  return g.where(empty, g.constant(0, [], y), g.div(dy, divisor));
}

/** sign(x) |x|^(p−1). */
function powerSlope(g: GraphBuilder, x: Value, p: number): Value {
  if (p === 1) return g.sign(x);
  if (p === 2) return x;
  if (p === 3) return g.mul(x, g.abs(x));
  return g.mul(g.sign(x), g.pow(g.abs(x), g.constant(p - 1, [], x)));
}

export const pooling: Record<string, Rule> = {
  MaxPool,
  AveragePool,
  LpPool,
  GlobalAveragePool,
  GlobalMaxPool,
  GlobalLpPool,
};
