/** @file Where and how Square changes an image. Andriushchenko et al. 2020: §3.3 (schedule), Alg. 2 (l∞), Alg. 3 (l2). */
import type { GraphBuilder, Value } from 'onnx-grad';
import { balls, type Norm, perImage } from '../optimize/ball.ts';
import { clipToBox } from '../optimize/project.ts';
import type { Random } from '../random.ts';
import type { HostTensor } from '../runtime/runtime.ts';

type ImageShape = readonly [channels: number, height: number, width: number];

/** The share of pixels in a window halves after these steps of 10,000; other budgets are scaled to that. */
const HALVED_AFTER = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000];

/** Side of the square window of a step, in pixels; in l2 and l1 odd and at least 3, so that its two halves differ. */
export function windowSide(
  norm: Norm,
  step: number,
  { schedule, share }: { schedule: number; share: number },
  [, height, width]: ImageShape,
): number {
  const at = Math.floor((step / schedule) * 10_000);
  const halvings = HALVED_AFTER.filter((end) => at > end).length;
  const side = Math.round(Math.sqrt((share / 2 ** halvings) * height * width));
  const fitting = norm === 'linf' ? Math.max(side, 1) : Math.max(side, 3) | 1;
  return Math.min(fitting, height, width);
}

/** η: two halves of opposite sign, each falling off from its centre, of length 1 under the norm; `side` rows of `side`. */
export function twoPeaks(norm: 'l2' | 'l1', side: number): Float32Array {
  const upper = Math.floor(side / 2);
  const pattern = Float32Array.from([
    ...peak(norm, upper, side),
    ...peak(norm, side - upper, side).map((value) => -value),
  ]);
  const length = lengthOf(norm, pattern);
  return pattern.map((value) => value / length);
}

/** Alg. 3's η of h1 rows and h2 columns: Σ 1/(j+1)² over the rings j around its centre that hold the pixel. */
function peak(norm: 'l2' | 'l1', rows: number, columns: number): number[] {
  const [row0, column0] = [Math.floor(rows / 2), Math.floor(columns / 2)];
  const outermost = Math.max(row0, column0);
  const values = Array.from({ length: rows * columns }, (_, i) => {
    const ring = Math.max(Math.abs(Math.floor(i / columns) - row0), Math.abs((i % columns) - column0));
    let sum = 0;
    for (let j = ring; j <= outermost; j++) sum += 1 / (j + 1) ** 2;
    return sum;
  });
  const length = lengthOf(norm, values);
  return values.map((value) => value / length);
}

const lengthOf = (norm: 'l2' | 'l1', values: Iterable<number>): number => {
  let sum = 0;
  for (const value of values) sum += norm === 'l2' ? value * value : Math.abs(value);
  return norm === 'l2' ? Math.sqrt(sum) : sum;
};

const sign = (random: Random): number => (random.bits() & 1 ? 1 : -1);

/** The first perturbation: in l∞ vertical stripes of ±ε, else tiles of two peaks that use up ε. Before clipping to the box. */
export function fillStart(delta: Float32Array, norm: Norm, epsilon: number, shape: ImageShape, random: Random): void {
  if (norm === 'linf') fillStripes(delta, epsilon, shape, random);
  else fillTiles(delta, norm, epsilon, shape, random);
}

function fillStripes(delta: Float32Array, epsilon: number, [channels, height, width]: ImageShape, random: Random) {
  for (let c = 0; c < channels; c++) {
    const stripes = Float32Array.from({ length: width }, () => epsilon * sign(random));
    for (let row = 0; row < height; row++) delta.set(stripes, (c * height + row) * width);
  }
}

function fillTiles(
  delta: Float32Array,
  norm: 'l2' | 'l1',
  epsilon: number,
  [channels, height, width]: ImageShape,
  random: Random,
): void {
  delta.fill(0);
  const side = Math.max(1, Math.floor(Math.min(height, width) / 5));
  const pattern = twoPeaks(norm, side);
  const first = (length: number) => Math.floor((length % side) / 2);
  for (let top = first(height); top + side <= height; top += side) {
    for (let left = first(width); left + side <= width; left += side) {
      const turned = sign(random) > 0;
      for (let c = 0; c < channels; c++) {
        const factor = sign(random);
        for (let i = 0; i < side * side; i++) {
          const [row, column] = [Math.floor(i / side), i % side];
          delta[(c * height + top + row) * width + left + column] = factor * pattern[turned ? column * side + row : i]!;
        }
      }
    }
  }
  const length = lengthOf(norm, delta);
  for (let i = 0; i < delta.length; i++) delta[i]! *= epsilon / length;
}

/** Where the window of each image lies at a step, and what it holds: small numbers that the compiled proposal reads. */
export function drawWindows(
  norm: Norm,
  side: number,
  [channels, height, width]: ImageShape,
  { batch, randoms }: { batch: number; randoms: readonly Random[] },
): Record<string, HostTensor> {
  const column = (values: readonly number[], shape: readonly number[] = [batch]): HostTensor => {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    data.set(values);
    return { dtype: 'float32', shape, data };
  };
  const place = () => ({
    row: column(side ? randoms.map((random) => random.integer(height - side + 1)) : []),
    column: column(side ? randoms.map((random) => random.integer(width - side + 1)) : []),
  });
  const window = place();
  const signs = randoms.flatMap((random) => Array.from({ length: channels }, () => sign(random)));
  const feeds = {
    ...window,
    side: column(Array.from({ length: batch }, () => side)),
    signs: column(signs, [batch, channels]),
  };
  if (norm === 'linf') return feeds;
  const other = place();
  const most = Math.min(height, width);
  return {
    ...feeds,
    row_2: other.row,
    column_2: other.column,
    turned: column(randoms.map((random) => Number(sign(random) > 0))),
    pattern: { dtype: 'float32', shape: [most, most], data: inCorner(norm, side, most) },
  };
}

/** A pattern in the first rows and columns of a square of zeros. */
function inCorner(norm: 'l2' | 'l1', side: number, most: number): Float32Array {
  const data = new Float32Array(most * most);
  if (side === 0) return data;
  const pattern = twoPeaks(norm, side);
  for (let row = 0; row < side; row++) data.set(pattern.subarray(row * side, (row + 1) * side), row * most);
  return data;
}

/** Writes x with its window changed, inside ball and box. */
export function writeProposal(
  g: GraphBuilder,
  norm: Norm,
  { x, origin, epsilon }: { x: Value; origin: Value; epsilon: Value },
): Value {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const number = (name: string) => g.reshape(g.input(name, 'float32', [batch]), [batch, 1, 1, 1]);
  const radius = g.reshape(epsilon, [batch, 1, 1, 1]);
  const signs = g.reshape(g.input('signs', 'float32', [batch, channels]), [batch, channels, 1, 1]);
  const side = number('side');
  const [row, column] = [number('row'), number('column')];
  const window = writeWindow(g, row, column, side, [height, width]);
  if (norm === 'linf') {
    const change = g.mul(g.mul(window, signs), g.scale(radius, 2));
    return balls.linf.project(g, g.add(x, change), origin, radius);
  }
  const [row2, column2] = [number('row_2'), number('column_2')];
  const windows = g.max(window, writeWindow(g, row2, column2, side, [height, width]));
  const pattern = writePlacedPattern(g, row, column, number('turned'), [height, width]);

  const length = (value: Value, axes: readonly number[]) =>
    norm === 'l2' ? g.sqrt(g.reduceSum(g.square(value), axes, true)) : g.reduceSum(g.abs(value), axes, true);
  const perChannel = [2, 3];
  const unit = (value: Value, axes: readonly number[]) => g.div(value, g.offset(length(value, axes), 1e-12));
  const delta = g.sub(x, origin);
  const inside = unit(g.add(g.mul(pattern, signs), unit(g.mul(delta, window), perChannel)), perChannel);
  // What both windows held and what ε leaves unused goes into the first window, an equal share of the latter a channel.
  const held = length(g.mul(delta, windows), perChannel);
  const whole = length(delta, perImage(delta));
  const zero = g.constant(0);
  const allowance =
    norm === 'l2'
      ? g.sqrt(g.add(g.scale(g.max(g.sub(g.square(radius), g.square(whole)), zero), 1 / channels), g.square(held)))
      : g.add(g.scale(g.max(g.sub(radius, whole), zero), 1 / channels), held);
  const moved = g.add(g.sub(delta, g.mul(delta, windows)), g.mul(inside, allowance));
  // Clipping only shortens, so that in l2 the clipped point is the nearest one of ball and box.
  if (norm === 'l2') return clipToBox(g, g.add(origin, g.mul(unit(moved, perImage(moved)), radius)));
  return balls[norm].project(g, g.add(origin, moved), origin, radius);
}

const counting = (g: GraphBuilder, length: number, shape: readonly number[]): Value =>
  g.constant(
    Array.from({ length }, (_, i) => i),
    shape,
  );

/** 1 inside the window of each image and 0 outside, [batch, 1, H, W]. */
function writeWindow(
  g: GraphBuilder,
  row: Value,
  column: Value,
  side: Value,
  [height, width]: [number, number],
): Value {
  const within = (positions: Value, first: Value) =>
    g.cast(g.and(g.greaterOrEqual(positions, first), g.less(positions, g.add(first, side))), 'float32');
  return g.mul(
    within(counting(g, height, [1, 1, height, 1]), row),
    within(counting(g, width, [1, 1, 1, width]), column),
  );
}

/** The pattern moved to the window of each image, and turned by a quarter where asked, [batch, 1, H, W]. */
function writePlacedPattern(
  g: GraphBuilder,
  row: Value,
  column: Value,
  turned: Value,
  [height, width]: [number, number],
): Value {
  const most = Math.min(height, width);
  const pattern = g.input('pattern', 'float32', [most, most]);
  const oriented = g.where(g.greater(turned, g.constant(0.5)), g.matrixTranspose(pattern), pattern);
  const matching = (a: Value, b: Value) => g.cast(g.equal(a, b), 'float32');
  // Products with matrices of zeros and ones: WebGPU computes them, and no pixel passes through JavaScript.
  const rows = matching(g.sub(counting(g, height, [1, 1, height, 1]), row), counting(g, most, [1, 1, 1, most]));
  const columns = matching(g.sub(counting(g, width, [1, 1, 1, width]), column), counting(g, most, [1, 1, most, 1]));
  return g.matmul(g.matmul(rows, oriented), columns);
}
