/** @file Gradients of arithmetic and elementary functions. */
import type { GraphBuilder } from '../builder.ts';
import { sizeOf } from '../graph.ts';
import type { Value } from '../value.ts';
import { once } from './once.ts';
import { unary } from './pointwise.ts';
import { type Rule, zeroGradient } from './rule.ts';

/**
 * Every input that attains the extreme gets an equal share, as in PyTorch's `maximum`. `before(a, b)` and `notAfter(a, b)`
 * tell, for two inputs, whether a wins outright, or wins or ties.
 */
const extreme =
  (before: 'Greater' | 'Less', notAfter: 'GreaterOrEqual' | 'LessOrEqual'): Rule =>
  ({ g, dy, inputs, outputs: [y] }) => {
    const [first, second] = inputs;
    if (inputs.length === 1) return [() => dy];
    if (inputs.length === 2) {
      const half = once(() => g.scale(dy, 0.5));
      const share = (a: Value, b: Value) => () => {
        const wins = [before, notAfter].map((op) => g.cast(g.op(op, [a, b]), dy.dtype));
        return g.sumTo(g.mul(half(), g.sum(wins)), a.shape);
      };
      return [share(first!, second!), share(second!, first!)];
    }
    const attains = inputs.map((x) => once(() => g.cast(g.equal(x, y!), dy.dtype)));
    const share = once(() => g.div(dy, g.sum(attains.map((mask) => mask()))));
    return inputs.map((x, i) => () => g.sumTo(g.mul(attains[i]!(), share()), x.shape));
  };

/**
 * d/dx xᵖ = p·xᵖ⁻¹, and 0 where p is 0, also at x = 0. Operands are brought to one shape first: ONNX Runtime 1.30 throws on
 * WebGPU when one of them repeats along a last axis whose length is a multiple of 4.
 */
function powerSlope(g: GraphBuilder, x: Value, exponent: Value): Value {
  const p = g.cast(exponent, x.dtype);
  if (isNumber(p, 2)) return g.scale(x, 2);
  if (isNumber(p, 3)) return g.scale(g.square(x), 3);
  const one = g.constant(1, [], x);
  const lowered = g.where(g.equal(p, g.constant(0, [], x)), one, g.sub(p, one));
  const spread = (value: Value, other: Value) => (sizeOf(value.shape) === 1 ? value : g.broadcast(value, other.shape));
  return g.mul(p, g.pow(spread(x, p), spread(lowered, x)));
}

const isNumber = (value: Value, number: number): boolean =>
  value.constant !== undefined && value.constant.data.length === 1 && Number(value.constant.data[0]) === number;

export const elementwise: Record<string, Rule> = {
  Add: ({ g, dy, inputs: [a, b] }) => [() => g.sumTo(dy, a!.shape), () => g.sumTo(dy, b!.shape)],
  Sub: ({ g, dy, inputs: [a, b] }) => [() => g.sumTo(dy, a!.shape), () => g.neg(g.sumTo(dy, b!.shape))],
  Mul: ({ g, dy, inputs: [a, b] }) => [() => g.sumTo(g.mul(dy, b!), a!.shape), () => g.sumTo(g.mul(dy, a!), b!.shape)],
  Div: ({ g, dy, inputs: [a, b], outputs: [y] }) => {
    const quotient = once(() => g.div(dy, b!));
    return [() => g.sumTo(quotient(), a!.shape), () => g.neg(g.sumTo(g.mul(quotient(), y!), b!.shape))];
  },
  /** The exponent's gradient is y·log x where x > 0, and 0 elsewhere: for a negative base it does not exist. */
  Pow: ({ g, dy, inputs: [x, p], outputs: [y] }) => [
    () => g.sumTo(g.mul(dy, powerSlope(g, x!, p!)), x!.shape),
    () => {
      const positive = g.greater(x!, g.constant(0, [], x!));
      const logarithm = g.log(g.where(positive, x!, g.constant(1, [], x!)));
      return g.cast(g.sumTo(g.mul(dy, g.mask(positive, g.mul(y!, logarithm))), p!.shape), p!.dtype);
    },
  ],
  /** y = a − b·n with n an integer that is locally constant. */
  Mod: ({ g, dy, inputs: [a, b], outputs: [y] }) => [
    () => g.sumTo(dy, a!.shape),
    () => g.sumTo(g.mul(dy, g.div(g.sub(y!, a!), b!)), b!.shape),
  ],
  Sum: ({ g, dy, inputs }) => inputs.map((x) => () => g.sumTo(dy, x.shape)),
  Mean: ({ g, dy, inputs }) => inputs.map((x) => () => g.scale(g.sumTo(dy, x.shape), 1 / inputs.length)),
  Min: extreme('Less', 'LessOrEqual'),
  Max: extreme('Greater', 'GreaterOrEqual'),

  Neg: unary(({ g, dy }) => g.neg(dy)),
  Abs: unary(({ g, dy, x }) => g.mul(dy, g.sign(x))),
  Reciprocal: unary(({ g, dy, y }) => g.neg(g.mul(dy, g.square(y)))),
  /** 0 at x = 0, where the slope is infinite, so that norms of zero vectors give no NaN at any order. */
  Sqrt: unary(({ g, dy, y }) => {
    const positive = g.greater(y, g.constant(0, [], y));
    return g.div(g.mask(positive, g.scale(dy, 0.5)), g.where(positive, y, g.constant(1, [], y)));
  }),
  Exp: unary(({ g, dy, y }) => g.mul(dy, y)),
  Log: unary(({ g, dy, x }) => g.div(dy, x)),
  Erf: unary(({ g, dy, x }) => g.mul(dy, g.scale(g.exp(g.neg(g.square(x))), 2 / Math.sqrt(Math.PI)))),

  Sin: unary(({ g, dy, x }) => g.mul(dy, g.op('Cos', [x]))),
  Cos: unary(({ g, dy, x }) => g.neg(g.mul(dy, g.op('Sin', [x])))),
  Tan: unary(({ g, dy, y }) => g.mul(dy, g.offset(g.square(y), 1))),
  Asin: unary(({ g, dy, x }) => g.div(dy, g.sqrt(oneMinusSquare(g, x)))),
  Acos: unary(({ g, dy, x }) => g.neg(g.div(dy, g.sqrt(oneMinusSquare(g, x))))),
  Atan: unary(({ g, dy, x }) => g.div(dy, g.offset(g.square(x), 1))),
  Sinh: unary(({ g, dy, x }) => g.mul(dy, g.op('Cosh', [x]))),
  Cosh: unary(({ g, dy, x }) => g.mul(dy, g.op('Sinh', [x]))),
  Asinh: unary(({ g, dy, x }) => g.div(dy, g.sqrt(g.offset(g.square(x), 1)))),
  Acosh: unary(({ g, dy, x }) => g.div(dy, g.sqrt(g.offset(g.square(x), -1)))),
  Atanh: unary(({ g, dy, x }) => g.div(dy, oneMinusSquare(g, x))),

  Sign: zeroGradient,
  Floor: zeroGradient,
  Ceil: zeroGradient,
  Round: zeroGradient,
};

function oneMinusSquare(g: GraphBuilder, x: Value): Value {
  return g.sub(g.constant(1, [], x), g.square(x));
}
