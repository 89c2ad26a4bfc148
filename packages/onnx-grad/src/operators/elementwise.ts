/** @file Arithmetic and elementary functions. */
import type { NumericArray } from '../evaluate/array.ts';
import { mapBinary, mapUnary } from '../evaluate/broadcast.ts';
import { erf, roundHalfToEven } from '../evaluate/functions.ts';
import { isFloat } from '../graph.ts';
import { broadcastShapes, type Operator, required } from './operator.ts';
import { binary, broadcastInputs, commonType, unary } from './pointwise.ts';

/** Arithmetic whose result on integers is truncated towards zero, as in C. */
const truncating = (f: (a: number, b: number) => number): Operator => ({
  ...binary(f),
  evaluate: ({ inputs: [a, b] }) => {
    const shape = broadcastShapes([a!.shape, b!.shape], 'the inputs');
    return [mapBinary(a!, b!, shape, isFloat(a!.dtype) ? f : (p, q) => Math.trunc(f(p, q)))];
  },
});

/** Any number of inputs, folded from left to right; `finish` turns the fold of n inputs into the result. */
const variadic = (f: (a: number, b: number) => number, finish?: (total: number, n: number) => number): Operator => ({
  attributes: {},
  infer: (context) => {
    required(context, 0);
    return [{ dtype: commonType(context, [...context.inputs.keys()]), shape: broadcastInputs(context) }];
  },
  evaluate: ({ inputs }) => {
    const [first, ...rest] = inputs as readonly NumericArray[];
    const total = rest.reduce((a, b) => mapBinary(a, b, broadcastShapes([a.shape, b.shape], 'the inputs'), f), first!);
    return [finish ? mapUnary(total, (x) => finish(x, inputs.length)) : total];
  },
});

export const elementwise: Record<string, Operator> = {
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: truncating((a, b) => a / b),
  /** The exponent may be of another type than the base; the result has the base's. */
  Pow: {
    ...truncating((a, b) => a ** b),
    infer: (context) => [{ dtype: required(context, 0).dtype, shape: broadcastInputs(context) }],
  },
  /** The sign follows the divisor, as in Python; with fmod = 1 it follows the dividend, as in C. */
  Mod: {
    ...binary((a, b) => a % b),
    attributes: { fmod: { kind: 'int', default: 0 } },
    evaluate: ({ attributes, inputs: [a, b] }) => {
      const f = attributes.fmod ? (p: number, q: number) => p % q : (p: number, q: number) => p - q * Math.floor(p / q);
      return [mapBinary(a!, b!, broadcastShapes([a!.shape, b!.shape], 'the inputs'), f)];
    },
  },
  Sum: variadic((a, b) => a + b),
  Mean: variadic(
    (a, b) => a + b,
    (total, n) => total / n,
  ),
  Min: variadic(Math.min),
  Max: variadic(Math.max),

  Neg: unary((x) => -x),
  Abs: unary(Math.abs),
  Sign: unary(Math.sign),
  Reciprocal: unary((x) => 1 / x),
  Sqrt: unary(Math.sqrt),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Erf: unary(erf),
  Sin: unary(Math.sin),
  Cos: unary(Math.cos),
  Tan: unary(Math.tan),
  Asin: unary(Math.asin),
  Acos: unary(Math.acos),
  Atan: unary(Math.atan),
  Sinh: unary(Math.sinh),
  Cosh: unary(Math.cosh),
  Asinh: unary(Math.asinh),
  Acosh: unary(Math.acosh),
  Atanh: unary(Math.atanh),
  Floor: unary(Math.floor),
  Ceil: unary(Math.ceil),
  Round: unary(roundHalfToEven),
};
