/** @file Limited-memory BFGS for many problems at once, each with its own curvature and step, written into a graph. */
import type { GraphBuilder, Value } from 'onnx-grad';

/** The state between two steps, one row a problem. */
export interface Lbfgs {
  /** Where to evaluate next, [N, D]. */
  readonly trial: Value;
  /** The best point so far, [N, D]; the objective there, [N, 1]; its gradient, [N, D]. */
  readonly point: Value;
  readonly value: Value;
  readonly gradient: Value;
  /** Slope of the objective along the direction from `point` to `trial`, and how much of the direction was taken, [N, 1]. */
  readonly slope: Value;
  readonly share: Value;
  /** The latest steps and the changes of the gradient along them, oldest first, [N, memory, D]. */
  readonly steps: Value;
  readonly changes: Value;
  /** Their scalar products, [N, memory]; 0 marks an empty place. */
  readonly products: Value;
  /** First guess of the inverse curvature, [N, 1]. */
  readonly scale: Value;
}

/** Shapes of the state by name, and the numbers it begins with: `trial` and `point` are the start's own. */
export const lbfgsStart = (count: number, size: number, memory: number) =>
  ({
    trial: { shape: [count, size], fill: 0 },
    point: { shape: [count, size], fill: 0 },
    // Larger than any objective: the first trial is accepted.
    value: { shape: [count, 1], fill: 3e38 },
    gradient: { shape: [count, size], fill: 0 },
    slope: { shape: [count, 1], fill: 0 },
    share: { shape: [count, 1], fill: 0 },
    steps: { shape: [count, memory, size], fill: 0 },
    changes: { shape: [count, memory, size], fill: 0 },
    products: { shape: [count, memory], fill: 0 },
    scale: { shape: [count, 1], fill: 1 },
  }) as const satisfies Record<keyof Lbfgs, { shape: readonly number[]; fill: number }>;

/** Armijo's constant: the share of the slope by which the objective has to fall. */
const DECREASE = 1e-4;
/** Below this a step's curvature counts as none. */
const LEAST_CURVATURE = 1e-10;

/**
 * Takes note of the objective, [N, 1], and its gradient, [N, D], at the trial point, and chooses the next: along the
 * quasi-Newton direction where the objective has fallen enough (Armijo's rule), half as far as before where it has not.
 * Nocedal 1980; Nocedal & Wright 2006, algorithms 7.4 and 3.1.
 *
 * @param firstShare how much of a new direction is tried first
 */
export function lbfgsStep(g: GraphBuilder, state: Lbfgs, value: Value, gradient: Value, firstShare: Value): Lbfgs {
  const enough = g.add(state.value, g.scale(g.mul(state.share, state.slope), DECREASE));
  const accepted = g.lessOrEqual(value, enough);
  const at = {
    point: g.where(accepted, state.trial, state.point),
    value: g.where(accepted, value, state.value),
    gradient: g.where(accepted, gradient, state.gradient),
  };
  const pairs = remember(g, state, at.point, at.gradient);
  const direction = g.neg(inverseTimes(g, pairs, at.gradient));
  // Before anything is known of the curvature, the step is no longer than 1 in the l1 norm.
  const steepness = g.reduceSum(g.abs(at.gradient), [1], true);
  const cautious = g.min(g.div(g.constant(1), g.max(steepness, g.constant(1e-30))), g.constant(1));
  const known = g.greater(g.reduceMax(pairs.products, [1], true), g.constant(0));
  const fresh = g.mul(firstShare, g.where(known, g.constant(1), cautious));
  const share = g.where(accepted, fresh, g.scale(state.share, 1 / 2));
  return {
    ...at,
    ...pairs,
    share,
    slope: dot(g, at.gradient, direction),
    trial: g.add(at.point, g.mul(direction, share)),
  };
}

type Pairs = Pick<Lbfgs, 'steps' | 'changes' | 'products' | 'scale'>;

/** The pairs with the latest step among them, where one was taken and the curvature along it is positive. */
function remember(g: GraphBuilder, state: Lbfgs, point: Value, gradient: Value): Pairs {
  const step = g.sub(point, state.point);
  const change = g.sub(gradient, state.gradient);
  const product = dot(g, step, change);
  const curved = g.greater(product, g.constant(LEAST_CURVATURE));
  const push = (list: Value, latest: Value): Value => {
    const kept = g.slice(list, { starts: [1], ends: [list.shape[1]!], axes: [1] });
    const row = g.reshape(latest, list.shape.with(1, 1));
    const flag = g.reshape(
      curved,
      list.shape.map((length, axis) => (axis === 0 ? length : 1)),
    );
    return g.where(flag, list.shape[1] === 1 ? row : g.concat([kept, row], 1), list);
  };
  return {
    steps: push(state.steps, step),
    changes: push(state.changes, change),
    products: push(state.products, product),
    scale: g.where(curved, g.div(product, g.max(dot(g, change, change), g.constant(1e-30))), state.scale),
  };
}

/** The inverse Hessian, as the pairs know it, times a gradient: the two-loop recursion. */
function inverseTimes(g: GraphBuilder, { steps, changes, products, scale }: Pairs, gradient: Value): Value {
  const count = products.shape[1]!;
  const at = (values: Value, i: number) => g.slice(values, { starts: [i], ends: [i + 1], axes: [1] });
  const step = (i: number) => g.squeeze(at(steps, i), [1]);
  const change = (i: number) => g.squeeze(at(changes, i), [1]);
  const known = g.greater(products, g.constant(0));
  const inverse = g.mask(known, g.div(g.constant(1), g.where(known, products, g.constant(1))));
  const shares: Value[] = [];
  let result = gradient;
  for (let i = count - 1; i >= 0; i--) {
    shares[i] = g.mul(at(inverse, i), dot(g, step(i), result));
    result = g.sub(result, g.mul(shares[i]!, change(i)));
  }
  result = g.mul(result, scale);
  for (let i = 0; i < count; i++) {
    const back = g.mul(at(inverse, i), dot(g, change(i), result));
    result = g.add(result, g.mul(g.sub(shares[i]!, back), step(i)));
  }
  return result;
}

/** Σ a·b of each row, [N, 1]. */
const dot = (g: GraphBuilder, a: Value, b: Value): Value => g.reduceSum(g.mul(a, b), [1], true);
