/** @file Nearest points of a norm ball intersected with the box [0, 1], each image with its own radius. */
import type { GraphBuilder, Value } from 'onnx-grad';

/**
 * Writes the point nearest to `x` in the l2 sense among those that lie in [0, 1] and within `epsilon` of `origin`.
 * `x` and `origin` are [N, ...], `origin` in [0, 1]; `epsilon` is a scalar or [N, 1, ...]. A point that lies there
 * already stays as it is, bit by bit.
 */
export type Projection = (g: GraphBuilder, x: Value, origin: Value, epsilon: Value) => Value;

export const clipToBox = (g: GraphBuilder, x: Value): Value => g.op('Clip', [x, g.constant(0), g.constant(1)]);

/** Ball and box are both boxes here: one after the other is exact. */
export const projectLinf: Projection = (g, x, origin, epsilon) =>
  clipToBox(g, g.min(g.max(x, g.sub(origin, epsilon)), g.add(origin, epsilon)));

/**
 * The nearest point is clip(origin + s · d, 0, 1) with d = x − origin and the largest s ≤ 1 that stays in the ball
 * (Karush–Kuhn–Tucker). In t = s², the squared length Σ min(t d², room²) is concave and piecewise linear, so Newton's
 * method from the left never overshoots and ends exactly, on the piece where the entries at the box no longer change.
 */
export const projectL2: Projection = (g, x, origin, epsilon) => {
  const { delta, size, room, radius } = rows(g, x, origin, epsilon);
  const [squares, limits, target] = [g.square(size), g.square(room), g.square(radius)];
  let t: Value = g.constant(0, [x.shape[0]!, 1]);
  for (let iteration = 0; iteration < L2_ITERATIONS; iteration++) {
    const scaled = g.mul(t, squares);
    const free = g.cast(g.less(scaled, limits), 'float32');
    const left = g.sub(target, sum(g, g.min(scaled, limits)));
    const slope = sum(g, g.mul(free, squares));
    const newton = g.add(t, g.div(left, g.max(slope, g.constant(1e-37))));
    // All entries at the box, or none to move: the ball does not bind.
    const solved = g.where(g.greater(slope, g.constant(0)), newton, g.constant(1));
    t = g.min(g.max(solved, t), g.constant(1));
  }
  const moved = g.add(origin, g.mul(delta, asColumn(g, g.sqrt(t), x)));
  return choose(g, g.greaterOrEqual(t, g.constant(1)), clipToBox(g, x), clipToBox(g, moved));
};

/**
 * The nearest point is origin + sign(d) · clip(|d| − λ, 0, room) with the smallest λ ≥ 0 that stays in the ball. The
 * length falls with λ, piecewise linearly: Newton's method, kept between the bounds that are known and replaced by
 * halving where it leaves them. Duchi et al. 2008 without the box; Croce & Hein 2021, §3, sort instead.
 */
export const projectL1: Projection = (g, x, origin, epsilon) => {
  const { delta, size, room, radius } = rows(g, x, origin, epsilon);
  return softThreshold(g, x, origin, delta, size, room, radius);
};

/** The nearest point of the l1 ball, box or no box, then clipped to the box. */
const projectL1ThenBox: Projection = (g, x, origin, epsilon) => {
  const { delta, size, radius } = rows(g, x, origin, epsilon);
  return softThreshold(g, x, origin, delta, size, undefined, radius);
};

/** The nearest point of the l2 ball, box or no box, then clipped to the box: nearly exact, and what most papers do. */
const projectL2ThenBox: Projection = (g, x, origin, epsilon) => {
  const delta = g.sub(x, origin);
  const factor = g.min(g.div(epsilon, g.max(norm2(g, delta), g.constant(1e-12))), g.constant(1));
  return clipToBox(g, g.add(origin, g.mul(delta, factor)));
};

/** Every displacement scaled to length ε, longer or shorter than it was, then clipped to the box: onto the surface of the ball. */
const ontoSphere =
  (length: (g: GraphBuilder, delta: Value) => Value): Projection =>
  (g, x, origin, epsilon) => {
    const delta = g.sub(x, origin);
    const factor = g.div(epsilon, g.max(length(g, delta), g.constant(1e-12)));
    return clipToBox(g, g.add(origin, g.mul(delta, factor)));
  };

const norm1 = (g: GraphBuilder, x: Value): Value => g.reduceSum(g.abs(x), perImage(x), true);
const normInf = (g: GraphBuilder, x: Value): Value => g.reduceMax(g.abs(x), perImage(x), true);

/**
 * How an iterate is drawn back into ball and box:
 * - `'exact'`: to the nearest point of both together
 * - `'ball-then-box'`: to the nearest point of the ball, which is then clipped: what most published attacks do
 * - `'sphere-then-box'`: scaled onto the surface of the ball, from inside too, then clipped
 */
export const projections = {
  exact: { linf: projectLinf, l2: projectL2, l1: projectL1 },
  'ball-then-box': { linf: projectLinf, l2: projectL2ThenBox, l1: projectL1ThenBox },
  'sphere-then-box': { linf: ontoSphere(normInf), l2: ontoSphere(norm2), l1: ontoSphere(norm1) },
} as const satisfies Record<string, Record<'linf' | 'l2' | 'l1', Projection>>;

export type ProjectionName = keyof typeof projections;

/** ‖x‖₂ of each image, [N, 1, 1, 1]. */
export function norm2(g: GraphBuilder, x: Value): Value {
  return g.sqrt(g.reduceSum(g.square(x), perImage(x), true));
}

/** One number an image, [N], in a shape that broadcasts to `like`, [N, ...]. */
export const eachImage = (g: GraphBuilder, value: Value, like: Value): Value =>
  g.reshape(
    value,
    like.shape.map((length, axis) => (axis === 0 ? length : 1)),
  );

/** The axes of one image: all but the first. */
export const perImage = (x: Value): number[] => x.shape.map((_, axis) => axis).slice(1);

// Enough for 1e-6 on every case of project.test.ts, among them entries in geometric progression, where each
// iteration settles only some.
const L2_ITERATIONS = 12;
const L1_ITERATIONS = 20;

function softThreshold(
  g: GraphBuilder,
  x: Value,
  origin: Value,
  delta: Value,
  size: Value,
  room: Value | undefined,
  radius: Value,
): Value {
  const zero = g.constant(0);
  // Entries that move with the threshold are those within half their room of where they would be half way to the box.
  const half = room && g.scale(room, 0.5);
  const middle = half && g.sub(size, half);
  const length = (threshold: Value) => {
    const above = g.relu(g.sub(size, threshold));
    const free = half ? g.less(g.abs(g.sub(middle!, threshold)), half) : g.greater(above, zero);
    return { value: sum(g, room ? g.min(above, room) : above), free: sum(g, g.cast(free, 'float32')) };
  };
  let low: Value = g.constant(0, [x.shape[0]!, 1]);
  let high = g.reduceMax(size, [1], true);
  let threshold = low;
  let inside: Value | undefined;
  for (let iteration = 0; iteration < L1_ITERATIONS; iteration++) {
    const { value, free } = length(threshold);
    const over = g.greater(value, radius);
    inside ??= g.not(over);
    low = g.where(over, threshold, low);
    high = g.where(over, high, threshold);
    const newton = g.add(threshold, g.div(g.sub(value, radius), g.max(free, g.constant(1))));
    // Give or take a rounding error: the threshold may be one of the bounds.
    const between = g.and(
      g.greaterOrEqual(newton, g.scale(low, 1 - 1e-6)),
      g.lessOrEqual(newton, g.scale(high, 1 + 1e-6)),
    );
    // Entries can still move, or none has to.
    const settled = g.equal(value, radius.shape.length === 0 ? g.expand(radius, value.shape) : radius);
    const usable = g.and(between, g.greater(g.add(free, g.cast(settled, 'float32')), zero));
    threshold = g.where(usable, g.min(g.max(newton, low), high), g.scale(g.add(low, high), 0.5));
  }
  const shrunk = g.relu(g.sub(g.abs(delta), asColumn(g, threshold, x)));
  const moved = g.add(origin, g.mul(g.sign(delta), shrunk));
  return choose(g, inside!, clipToBox(g, x), clipToBox(g, moved));
}

/** What both searches work on, as [N, pixels]: |x − origin|, the way to the box in that direction, and ε as a column. */
function rows(g: GraphBuilder, x: Value, origin: Value, epsilon: Value) {
  const count = x.shape[0]!;
  const delta = g.sub(x, origin);
  const room = g.where(g.greater(delta, g.constant(0)), g.sub(g.constant(1), origin), origin);
  const pixels = x.shape.slice(1).reduce((a, b) => a * b, 1);
  const flat = (value: Value) => g.reshape(value, [count, pixels]);
  return {
    delta,
    size: flat(g.abs(delta)),
    room: flat(room),
    radius: epsilon.shape.length === 0 ? epsilon : g.reshape(epsilon, [count, 1]),
  };
}

const sum = (g: GraphBuilder, x: Value): Value => g.reduceSum(x, [1], true);

/** [N, 1] as [N, 1, 1, 1]. */
const asColumn = (g: GraphBuilder, x: Value, like: Value): Value =>
  g.reshape(x, [x.shape[0]!, ...like.shape.slice(1).map(() => 1)]);

/** One of two batches, image by image. */
function choose(g: GraphBuilder, condition: Value, yes: Value, no: Value): Value {
  return g.where(asColumn(g, condition, yes), yes, no);
}
