/**
 * @file DeepLIFT's rescale rule for functions of one number: the slope of the secant, Δy/Δx. Quotients of differences that
 * are rounding errors would say nothing, so it is written without one where the function allows, and is the derivative
 * at the midpoint where Δx is small; what that changes is below the precision of single floats.
 */
import type { GraphBuilder, RuleContext, Value } from 'onnx-grad';

/** A node y = f(x), and its reference y0 = f(x0). */
export interface Elementwise {
  readonly g: GraphBuilder;
  /** Multiplier of y. */
  readonly dy: Value;
  readonly x: Value;
  readonly x0: Value;
  readonly y: Value;
  readonly y0: Value;
  readonly context: RuleContext;
  /** The derivative by x at another point, times `dy`. */
  derivativeAt(x: Value): Value;
}

/** Returns the multiplier of x: `dy` times the slope. */
type Secant = (node: Elementwise) => Value;

/**
 * Up to this |x − x0|, the functions whose curvature changes over distances of about 1 take their derivative at the
 * midpoint: an error of at most 10⁻⁵ of the slope, where the quotient's rounding error would be as large.
 */
const NEAR = 0.01;
/** The same as a share of |x| + |x0|, for functions that change over distances proportional to x: logarithm, powers. */
const RELATIVELY_NEAR = 1e-3;

const times =
  (slope: (node: Elementwise) => Value): Secant =>
  (node) =>
    node.g.mul(node.dy, slope(node));

/** Slope of max(x, 0) between two points: exact however near they are, and 0 where both are 0. */
export function rectified(g: GraphBuilder, x: Value, x0: Value): Value {
  const high = g.max(g.max(x, x0), g.constant(0, [], x));
  const low = g.min(g.min(x, x0), g.constant(-tiny(x), [], x));
  return g.div(high, g.sub(high, low));
}

/** Slope of exp. */
export function exponential(g: GraphBuilder, x: Value, x0: Value): Value {
  const difference = g.sub(x, x0);
  const near = g.lessOrEqual(g.abs(difference), g.constant(NEAR, [], x));
  return quotient(g, g.sub(g.exp(x), g.exp(x0)), difference, near, () => g.exp(midpoint(g, x, x0)));
}

/** Slope of log. */
export function logarithm(g: GraphBuilder, x: Value, x0: Value, difference = g.sub(g.log(x), g.log(x0))): Value {
  const one = g.constant(1, [], x);
  return quotient(g, difference, g.sub(x, x0), relativelyNear(g, x, x0), () => g.div(one, midpoint(g, x, x0)));
}

/** Above / below, and `near()` where the divisor is too small. */
function quotient(g: GraphBuilder, above: Value, below: Value, isNear: Value, near: () => Value): Value {
  return g.where(isNear, near(), g.div(above, g.where(isNear, g.constant(1, [], below), below)));
}

export const midpoint = (g: GraphBuilder, a: Value, b: Value): Value => g.scale(g.add(a, b), 0.5);

function relativelyNear(g: GraphBuilder, x: Value, x0: Value): Value {
  const size = g.add(g.abs(x), g.abs(x0));
  return g.lessOrEqual(g.abs(g.sub(x, x0)), g.scale(size, RELATIVELY_NEAR));
}

const ratio = ({ g, dy, x, x0, y, y0, derivativeAt }: Elementwise, isNear: Value, at: () => Value): Value =>
  quotient(g, g.mul(dy, g.sub(y, y0)), g.sub(x, x0), isNear, () => derivativeAt(at()));

const curved: Secant = (node) => {
  const { g, x, x0 } = node;
  const isNear = g.lessOrEqual(g.abs(g.sub(x, x0)), g.constant(NEAR, [], x));
  return ratio(node, isNear, () => midpoint(g, x, x0));
};

const curvedByScale: Secant = (node) => {
  const { g, x, x0 } = node;
  return ratio(node, relativelyNear(g, x, x0), () => midpoint(g, x, x0));
};

/** Functions with jumps, or with an infinite slope somewhere: the derivative only where x equals its reference. */
export const uneven: Secant = (node) => ratio(node, node.g.equal(node.x, node.x0), () => node.x);

const hardSigmoid = (g: GraphBuilder, x: Value, x0: Value, alpha: number, beta: number): Value => {
  const [u, u0] = [x, x0].map((value) => g.offset(g.scale(value, alpha), beta)) as [Value, Value];
  return g.scale(g.sub(rectified(g, u, u0), rectified(g, g.offset(u, -1), g.offset(u0, -1))), alpha);
};

/** max(x, 0) + α·(exp(min(x, 0)/σ) − 1). */
function exponentialUnit({ g, x, x0 }: Elementwise, alpha: number, sigma = 1): Value {
  const positive = rectified(g, x, x0);
  const zero = g.constant(0, [], x);
  const [u, u0] = [x, x0].map((value) => g.scale(g.min(value, zero), 1 / sigma)) as [Value, Value];
  const negative = g.sub(g.constant(1, [], x), positive);
  return g.add(positive, g.scale(g.mul(exponential(g, u, u0), negative), alpha / sigma));
}

/** √x − √x0 = (x − x0) / (√x + √x0); 0 where both are 0. */
function rootSlope(g: GraphBuilder, y: Value, y0: Value): Value {
  const sum = g.add(y, y0);
  const positive = g.greater(sum, g.constant(0, [], y));
  const one = g.constant(1, [], y);
  return g.mask(positive, g.div(one, g.where(positive, sum, one)));
}

const powers: Readonly<Record<number, (node: Elementwise) => Value>> = {
  2: ({ g, x, x0 }) => g.add(x, x0),
  3: ({ g, x, x0 }) => g.add(g.add(g.square(x), g.mul(x, x0)), g.square(x0)),
  0.5: ({ g, y, y0 }) => rootSlope(g, y, y0),
  [-1]: ({ g, y, y0 }) => g.neg(g.mul(y, y0)),
};

const pow: Secant = (node) => {
  const exponent = node.context.inputs[1]!.constant?.data;
  const closed = exponent?.length === 1 ? powers[Number(exponent[0])] : undefined;
  return closed ? times(closed)(node) : curvedByScale(node);
};

/** The number below which values count as 0. */
const tiny = ({ dtype }: Value): number => (dtype === 'float16' ? 2 ** -24 : 1e-30);

/** By operator; x is its first input, and the others do not depend on the image. */
export const secants: Readonly<Record<string, Secant>> = {
  Relu: times(({ g, x, x0 }) => rectified(g, x, x0)),
  LeakyRelu: times(({ g, x, x0, context: { attributes } }) =>
    g.offset(g.scale(rectified(g, x, x0), 1 - attributes.alpha), attributes.alpha),
  ),
  PRelu: times(({ g, x, x0, context: { inputs } }) => {
    const positive = rectified(g, x, x0);
    return g.add(positive, g.mul(inputs[1]!, g.sub(g.constant(1, [], x), positive)));
  }),
  Clip: times(({ g, x, x0, context: { inputs, has } }) => {
    const above = (i: number) => rectified(g, g.sub(x, inputs[i]!), g.sub(x0, inputs[i]!));
    const raised = has(1) ? above(1) : g.constant(1, [], x);
    return has(2) ? g.sub(raised, above(2)) : raised;
  }),
  HardSigmoid: times(({ g, x, x0, context: { attributes } }) =>
    hardSigmoid(g, x, x0, attributes.alpha, attributes.beta),
  ),
  /** x·h(x) is split like any product. */
  HardSwish: times(({ g, x, x0 }) => {
    const gates = [x, x0].map((value) => g.op('HardSigmoid', [value], { alpha: 1 / 6, beta: 0.5 })) as [Value, Value];
    return g.add(midpoint(g, ...gates), g.mul(midpoint(g, x, x0), hardSigmoid(g, x, x0, 1 / 6, 0.5)));
  }),
  Elu: times((node) => exponentialUnit(node, node.context.attributes.alpha)),
  Celu: times((node) => exponentialUnit(node, node.context.attributes.alpha, node.context.attributes.alpha)),
  Selu: times((node) =>
    node.g.scale(exponentialUnit(node, node.context.attributes.alpha), node.context.attributes.gamma),
  ),
  Abs: times(({ g, x, x0, y, y0 }) => g.div(g.add(x, x0), g.max(g.add(y, y0), g.constant(tiny(x), [], x)))),
  Sqrt: times(({ g, y, y0 }) => rootSlope(g, y, y0)),
  Reciprocal: times(({ g, y, y0 }) => g.neg(g.mul(y, y0))),
  Exp: times(({ g, x, x0 }) => exponential(g, x, x0)),
  Log: times(({ g, x, x0 }) => logarithm(g, x, x0)),
  Pow: pow,
  ...Object.fromEntries(
    'Sigmoid Tanh Softplus Softsign Mish Erf Sin Cos Tan Atan Sinh Cosh Asinh'.split(' ').map((op) => [op, curved]),
  ),
  ...Object.fromEntries(
    'ThresholdedRelu Shrink Asin Acos Acosh Atanh Sign Floor Ceil Round Mod'.split(' ').map((op) => [op, uneven]),
  ),
};
