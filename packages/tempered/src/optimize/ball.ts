/** @file Norm balls: the steps and projections that keep a perturbed image within ε of the original. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { log } from '../portable-math.ts';
import type { Random } from '../random.ts';
import { norm2, type Projection, perImage, projectL1, projectL2, projectLinf } from './project.ts';

export { perImage };

export type Norm = 'linf' | 'l2' | 'l1';

/** A ball of radius ε around each image, intersected with the box [0, 1]. */
export interface Ball {
  /** x moved by `size` in the direction of steepest ascent of the linearised objective under this norm; finite for any gradient. */
  step(g: GraphBuilder, x: Value, gradient: Value, size: Value): Value;
  /** The point of ball and box nearest to x. */
  project: Projection;
  /** Fills `delta` with a random point of the ball around zero, all of its volume equally likely. */
  randomPoint(delta: Float32Array, epsilon: number, random: Random): void;
  /** Length of a perturbation, in double precision. */
  distance(a: Float32Array, b: Float32Array): number;
  /** Moves x, in place and in double precision, along the line to `origin` into the ball; x inside it stays as it is. */
  pullIn(x: Float32Array, origin: Float32Array, epsilon: number): void;
}

/** Entries without a value count as 0, infinite ones as the largest number, so that one of them does not spoil the step of its image. */
export function finite(g: GraphBuilder, gradient: Value): Value {
  const numbers = g.mask(g.greaterOrEqual(g.abs(gradient), g.constant(0)), gradient);
  return g.op('Clip', [numbers, g.constant(-3e38), g.constant(3e38)]);
}

const linf: Ball = {
  // The sign, two comparisons, is 0 where the gradient has no value.
  step: (g, x, gradient, size) => g.add(x, g.mul(size, g.sign(gradient))),
  project: projectLinf,
  randomPoint: (delta, epsilon, random) => random.fillUniform(delta, -epsilon, epsilon),
  distance: (a, b) => a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0),
  pullIn: (x, origin, epsilon) => shrink(x, origin, epsilon, linf.distance),
};

const l2: Ball = {
  step: (g, x, gradient, size) => {
    const ascent = finite(g, gradient);
    const top = g.reduceMax(g.abs(ascent), perImage(ascent), true);
    const scaled = g.div(ascent, g.max(top, g.constant(1e-30)));
    return g.add(x, g.mul(size, g.div(scaled, g.max(norm2(g, scaled), g.constant(1e-12)))));
  },
  project: projectL2,
  randomPoint: (delta, epsilon, random) => {
    random.fillNormal(delta, 0, 1);
    const length = Math.sqrt(delta.reduce((sum, value) => sum + value * value, 0));
    const radius = epsilon * random.uniform() ** (1 / delta.length);
    for (let i = 0; i < delta.length; i++) delta[i] = (delta[i]! * radius) / length;
  },
  distance: (a, b) => Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0)),
  pullIn: (x, origin, epsilon) => shrink(x, origin, epsilon, l2.distance),
};

const l1: Ball = {
  // The largest entry alone; of equal ones, each its share.
  step: (g, x, gradient, size) => {
    const ascent = finite(g, gradient);
    const length = g.abs(ascent);
    const largest = g.greaterOrEqual(length, g.reduceMax(length, perImage(length), true));
    return g.add(x, g.mul(size, unitL1(g, g.mask(largest, g.sign(ascent)))));
  },
  project: projectL1,
  // Exponential numbers over their sum, one more than there are pixels, are uniform in the simplex and what it encloses.
  randomPoint: (delta, epsilon, random) => {
    const exponential = () => -log(1 - random.uniform());
    let total = exponential();
    for (let i = 0; i < delta.length; i++) {
      const length = exponential();
      total += length;
      delta[i] = random.bits() % 2 === 0 ? length : -length;
    }
    for (let i = 0; i < delta.length; i++) delta[i] = (delta[i]! * epsilon) / total;
  },
  distance: (a, b) => a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0),
  pullIn: (x, origin, epsilon) => shrink(x, origin, epsilon, l1.distance),
};

/** x / ‖x‖₁ of each image; 0 where x is. */
export function unitL1(g: GraphBuilder, x: Value): Value {
  return g.div(x, g.max(g.reduceSum(g.abs(x), perImage(x), true), g.constant(1e-12)));
}

/** The result is float32 too: a step of rounding can leave it outside again, so the factor gives way until it is inside. */
function shrink(x: Float32Array, origin: Float32Array, epsilon: number, distance: Ball['distance']): void {
  const length = distance(x, origin);
  if (length <= epsilon) return;
  const delta = Float64Array.from(x, (value, i) => value - origin[i]!);
  for (let slack = 1e-8; distance(x, origin) > epsilon; slack *= 2) {
    const factor = slack < 1 ? (epsilon / length) * (1 - slack) : 0;
    for (let i = 0; i < x.length; i++) x[i] = origin[i]! + delta[i]! * factor;
  }
}

export const balls: Readonly<Record<Norm, Ball>> = { linf, l2, l1 };
