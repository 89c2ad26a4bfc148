/** @file Limited-memory BFGS for many problems at once, each with its own curvature, written into a step's graph. */
import type { GraphBuilder, Value } from 'onnx-grad';

/** What the method remembers of each problem: `next` is what the step hands on. */
export interface LbfgsMemory {
  readonly point: Value;
  readonly gradient: Value;
  /** The latest steps and the changes of the gradient along them, oldest first, [N, memory, D]. */
  readonly steps: Value;
  readonly changes: Value;
  /** Their scalar products, [N, memory]; 0 marks an empty place. */
  readonly products: Value;
  /** First guess of the inverse curvature, [N, 1]. */
  readonly scale: Value;
}

/**
 * The quasi-Newton direction of descent −H·gradient at `point`, [N, D], by the two-loop recursion (Nocedal 1980; Nocedal
 * & Wright 2006, algorithm 7.4), and the memory with the step that led here. Steps along which the curvature is not
 * positive are not remembered.
 */
export function lbfgsDirection(
  g: GraphBuilder,
  point: Value,
  gradient: Value,
  memory: LbfgsMemory,
): { direction: Value; next: LbfgsMemory } {
  const next = remember(g, point, gradient, memory);
  const { steps, changes, products, scale } = next;
  const count = products.shape[1]!;
  const at = (values: Value, i: number) => g.slice(values, { starts: [i], ends: [i + 1], axes: [1] });
  const rowAt = (values: Value, i: number) => g.squeeze(at(values, i), [1]);
  const known = g.greater(products, g.constant(0));
  const inverse = g.mask(known, g.div(g.constant(1), g.where(known, products, g.constant(1))));
  const shares: Value[] = [];
  let result = gradient;
  for (let i = count - 1; i >= 0; i--) {
    shares[i] = g.mul(at(inverse, i), dot(g, rowAt(steps, i), result));
    result = g.sub(result, g.mul(shares[i]!, rowAt(changes, i)));
  }
  result = g.mul(result, scale);
  for (let i = 0; i < count; i++) {
    const back = g.mul(at(inverse, i), dot(g, rowAt(changes, i), result));
    result = g.add(result, g.mul(g.sub(shares[i]!, back), rowAt(steps, i)));
  }
  return { direction: g.neg(result), next };
}

/** Below this a step's curvature counts as none. */
const LEAST_CURVATURE = 1e-10;

function remember(g: GraphBuilder, point: Value, gradient: Value, memory: LbfgsMemory): LbfgsMemory {
  const step = g.sub(point, memory.point);
  const change = g.sub(gradient, memory.gradient);
  const product = dot(g, step, change);
  const curved = g.greater(product, g.constant(LEAST_CURVATURE));
  const push = (list: Value, latest: Value): Value => {
    const kept = g.slice(list, { starts: [1], ends: [list.shape[1]!], axes: [1] });
    const flag = g.reshape(
      curved,
      list.shape.map((length, axis) => (axis === 0 ? length : 1)),
    );
    return g.where(flag, g.concat([kept, g.reshape(latest, list.shape.with(1, 1))], 1), list);
  };
  return {
    point,
    gradient,
    steps: push(memory.steps, step),
    changes: push(memory.changes, change),
    products: push(memory.products, product),
    scale: g.where(curved, g.div(product, g.max(dot(g, change, change), g.constant(1e-30))), memory.scale),
  };
}

/** Σ a·b of each row, [N, 1]. */
const dot = (g: GraphBuilder, a: Value, b: Value): Value => g.reduceSum(g.mul(a, b), [1], true);
