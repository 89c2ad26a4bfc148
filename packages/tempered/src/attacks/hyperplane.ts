/** @file The exact step to a hyperplane inside the box [0, 1], written into a graph for many points at once. */
import type { GraphBuilder, Value } from 'onnx-grad';
import type { Norm } from '../optimize/ball.ts';
import { clipToBox } from '../optimize/project.ts';

export interface Step {
  /** [..., D]. */
  readonly delta: Value;
  /** Its length, [..., 1]; above 10⁶ where the box ends before the hyperplane. */
  readonly length: Value;
}

/** Newton steps on the multiplier: each frees no pixel and ties down at least one, mostly many; 4 are common. */
const NEWTON_STEPS = 12;

/**
 * The smallest step from x, inside the box, to the hyperplane w · delta = gain; where the box does not reach it, the
 * corner of the box nearest to it. The problem of Croce & Hein 2020 (FAB), §3.1: pixels move along the sign of their
 * weight at most to the edge of the box, and how far each of them moves depends on one number. In linf and l2 that is
 * the root of an increasing, concave, piecewise linear function, which Newton's method from below meets exactly after
 * finitely many steps; in l1, the weight of the last pixel to move, found by sorting.
 *
 * @param x [..., D] in [0, 1]
 * @param w [..., D]; entries without a value count as 0
 * @param gain [..., 1], of either sign
 */
export function stepToHyperplane(g: GraphBuilder, norm: Norm, x: Value, w: Value, gain: Value): Step {
  const zero = g.constant(0);
  const tiny = g.constant(1e-30);
  const weights = g.op('Clip', [g.mask(g.greaterOrEqual(g.abs(w), zero), w), g.constant(-3e38), g.constant(3e38)]);
  const signs = g.mul(g.sign(weights), g.where(g.less(gain, zero), g.constant(-1), g.constant(1)));
  const sizes = g.abs(weights);
  const top = g.max(reduce(g, 'ReduceMax', sizes), tiny);
  const size = g.div(sizes, top);
  const needed = g.div(g.abs(gain), top);
  const edge = g.where(g.greater(signs, zero), g.sub(g.constant(1), x), g.mask(g.less(signs, zero), x));
  const moved = norm === 'l1' ? fillInOrder(g, size, edge, needed) : fillTogether(g, norm, size, edge, needed);
  const reached = reduce(g, 'ReduceSum', g.mul(size, edge));
  const short = g.cast(g.less(reached, g.scale(needed, 1 - 1e-5)), 'float32');
  return { delta: g.mul(signs, moved), length: g.add(lengths(g, norm, moved), g.scale(short, 1e6)) };
}

/** ‖x‖ along the last axis, which stays with length 1. */
export function lengths(g: GraphBuilder, norm: Norm, x: Value): Value {
  if (norm === 'linf') return reduce(g, 'ReduceMax', g.abs(x));
  if (norm === 'l1') return reduce(g, 'ReduceSum', g.abs(x));
  return g.sqrt(reduce(g, 'ReduceSum', g.square(x)));
}

function reduce(g: GraphBuilder, op: 'ReduceMax' | 'ReduceMin' | 'ReduceSum', x: Value): Value {
  return g.op(op, [x, g.integers([x.shape.length - 1])], { keepdims: 1 });
}

/** Every pixel by min(its edge, t · rate), with the t at which Σ size · moved = needed. */
function fillTogether(g: GraphBuilder, norm: 'linf' | 'l2', size: Value, edge: Value, needed: Value): Value {
  const tiny = g.constant(1e-30);
  const gains = norm === 'linf' ? size : g.square(size);
  const moves = (t: Value) => (norm === 'linf' ? t : g.mul(t, size));
  // Without a bound, what rounding leaves missing would be divided by 0 once all pixels are at their edges.
  const largest = g.constant(1e15);
  let t = g.min(g.div(needed, g.max(reduce(g, 'ReduceSum', gains), tiny)), largest);
  for (let i = 0; i < NEWTON_STEPS; i++) {
    const wanted = moves(t);
    const missing = g.sub(needed, reduce(g, 'ReduceSum', g.mul(size, g.min(wanted, edge))));
    const slope = reduce(g, 'ReduceSum', g.mask(g.less(wanted, edge), gains));
    t = g.min(g.add(t, g.div(g.relu(missing), g.max(slope, tiny))), largest);
  }
  return g.min(moves(t), edge);
}

/** Pixels to their edges in the order of their sizes, the last one, and those of the same size, part of the way. */
function fillInOrder(g: GraphBuilder, size: Value, edge: Value, needed: Value): Value {
  const axis = size.shape.length - 1;
  const [sorted, order] = g.node('TopK', [size, g.integers([size.shape[axis]!])], { axis }, 2);
  const gains = g.mul(sorted!, g.op('GatherElements', [edge, order!], { axis }));
  const before = g.op('CumSum', [gains, g.integers([axis], [])], { exclusive: 1 });
  const last = reduce(g, 'ReduceMin', g.where(g.less(before, needed), sorted!, g.constant(2)));
  const whole = g.mask(g.greater(size, last), edge);
  const part = g.mask(g.equal(size, last), edge);
  const missing = g.sub(needed, reduce(g, 'ReduceSum', g.mul(size, whole)));
  const share = g.div(missing, g.max(reduce(g, 'ReduceSum', g.mul(size, part)), g.constant(1e-30)));
  return g.add(whole, g.mul(part, clipToBox(g, share)));
}
