import type { GraphBuilder, Value } from 'onnx-grad';
import { eachImage } from '../../optimize/project.ts';

/**
 * A Frank–Wolfe step on the l1 ball around 0, intersected with a box: moves the part size/ε of the way to the point
 * where the linearised objective is largest. There, coordinates take all the room they have in the direction of their
 * gradient, the steepest first, until the budget ε is spent.
 *
 * @param point [N, M]
 * @param ascent [N, M]
 * @param room how far each coordinate may be from 0 in the direction of its gradient, at least 0, [N, M]
 * @param epsilon radius of each ball, [N]
 * @param size length of the step, at most ε, [N]
 */
export function frankWolfeStep(
  g: GraphBuilder,
  point: Value,
  ascent: Value,
  room: Value,
  epsilon: Value,
  size: Value,
): Value {
  const vertex = steepestVertex(g, ascent, room, eachImage(g, epsilon, point));
  const share = g.min(g.div(size, epsilon), g.constant(1));
  return g.add(point, g.mul(g.sub(vertex, point), eachImage(g, share, point)));
}

function steepestVertex(g: GraphBuilder, gradient: Value, room: Value, budget: Value): Value {
  // Comparisons leave out entries without a value, which would spoil the order.
  const slope = g.mask(g.greater(g.abs(gradient), g.constant(0)), g.abs(gradient));
  const [, order] = g.node('TopK', [slope, g.integers([slope.shape[1]!])], { axis: 1 }, 2) as [Value, Value];
  const wanted = g.op('GatherElements', [room, order], { axis: 1 });
  const before = g.op('CumSum', [wanted, g.integers([1], [])], { exclusive: 1 });
  const given = g.min(g.max(g.sub(budget, before), g.constant(0)), wanted);
  const size = g.op('ScatterElements', [g.zerosLike(room), order, given], { axis: 1 });
  return g.mul(g.sign(gradient), size);
}
