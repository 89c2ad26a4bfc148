/** @file The mean gradient on a way, with points where the output bends, until the gradients add up to its change. */
import { UsageError } from '../errors.ts';
import { type Tensor, takeRows } from '../tensor.ts';
import { checkCount } from './check-count.ts';
import { collectRows } from './collect-rows.ts';
import { completeness, type Task } from './explanation.ts';
import { overPoints } from './points.ts';
import type { Way } from './way.ts';

export interface Refined {
  /** [N, ...] */
  readonly integrals: Tensor;
  /** On the way of each image. */
  readonly points: number[];
  /** Largest change of an integral in the last round, over the largest |integral|. */
  readonly quadratureError: number[];
}

export interface RefineOptions {
  /** Points of the first round. */
  readonly steps: number;
  readonly maxSteps: number;
  /** Relative completeness error to reach. */
  readonly tolerance: number;
}

/** A part of the way, with the gradient of its middle for all of it. */
interface Cell {
  readonly at: number;
  readonly width: number;
  /** Output there, and its derivative along the way. */
  value: number;
  along: number;
}

/** A gradient that is wanted with a weight; negative where one that has counted for a whole cell shall count for a third. */
interface Point {
  readonly cell: Cell;
  readonly weight: number;
}

interface State {
  cells: Cell[];
  points: Point[];
  integral: Float64Array;
  quadratureError: number;
}

/**
 * Starts with the midpoint rule. Between two neighbouring midpoints, the derivatives there say how much the output should
 * change and the outputs how much it does; what is missing adds up to the completeness error. Where most of it is missing,
 * cells are cut in three, round by round, until the error of the image is at most the tolerance (or the rounding of its
 * outputs) or it would have more than `maxSteps` points. There are two rounds at least: errors of few points may cancel by
 * chance.
 *
 * Sums of gradients alone are kept: the gradient in the middle of a cell that is cut is computed once more, to take two
 * thirds of its weight back.
 */
export async function meanSlopesRefined(
  task: Task,
  way: Way,
  { steps, maxSteps, tolerance }: RefineOptions,
): Promise<Refined> {
  checkCount('steps', steps);
  if (!(tolerance >= 0)) throw new UsageError(`tolerance must be 0 or more, not ${tolerance}`);
  if (!(maxSteps >= 3 * steps))
    throw new UsageError(`maxSteps must be ${3 * steps} or more, three times the steps, not ${maxSteps}`);
  const count = task.images.shape[0]!;
  const integrals = collectRows(count);
  const points: number[] = [];
  const quadratureError: number[] = [];
  let shape: readonly number[] = [];
  // Double sums and cells are kept for one group of images at a time.
  for (let first = 0; first < count; first += task.batchSize) {
    const group = Array.from({ length: Math.min(task.batchSize, count - first) }, (_, i) => first + i);
    const states = new Map(group.map((image) => [image, startOf(steps)]));
    let open = group;
    for (let round = 1; open.length > 0; round++) {
      shape = await evaluate(task, way, new Map(open.map((image) => [image, states.get(image)!])), round);
      open = open.filter((image) => {
        const [output, baseOutput] = [way.output[image]!, way.baseOutput[image]!];
        const gaps = gapsOf(states.get(image)!.cells, baseOutput, output);
        // More points make nothing finite.
        if (!gaps.every(Number.isFinite)) return false;
        if (round > 1 && isExact(gaps, output, baseOutput, tolerance)) return false;
        return refine(states.get(image)!, gaps, maxSteps);
      });
    }
    for (const [image, state] of states) {
      integrals.put(image, state.integral);
      points[image] = state.cells.length;
      quadratureError[image] = state.quadratureError;
    }
  }
  return { integrals: integrals.tensor(shape), points, quadratureError };
}

function startOf(steps: number): State {
  const cells = Array.from({ length: steps }, (_, k) => cell((k + 0.5) / steps, 1 / steps));
  const points = cells.map((cell) => ({ cell, weight: cell.width }));
  return { cells, points, integral: new Float64Array(0), quadratureError: 0 };
}

const cell = (at: number, width: number): Cell => ({ at, width, value: 0, along: 0 });

/** Adds the gradients at the points that are wanted of some images. */
async function evaluate(
  task: Task,
  way: Way,
  states: ReadonlyMap<number, State>,
  round: number,
): Promise<readonly number[]> {
  const images = [...states.keys()];
  const points = [...states.values()].map(({ points }) => points);
  return overPoints(
    task,
    {
      key: `refined gradient of ${way.key}`,
      stage: `integrated-gradients, round ${round}`,
      passes: { forwards: 1, backwards: 1 },
      counts: points.map(({ length }) => length),
      images: Object.fromEntries(Object.entries(way.images).map(([name, tensor]) => [name, takeRows(tensor, images)])),
      points: {
        at: {
          shape: [1],
          fill: (into, row, k) => {
            into[0] = points[row]![k]!.cell.at;
          },
        },
      },
      weight: (row, k) => points[row]![k]!.weight,
      write: (context, { at, ...inputs }) => {
        const { g } = context;
        const { value, slope } = way.write(context, inputs, at!);
        const step = g.mul(slope, g.sub(inputs.end!, inputs.start!));
        const along = g.reduceSum(step, step.shape.map((_, axis) => axis).slice(1));
        return { sample: slope, traced: g.concat([g.unsqueeze(value, [1]), g.unsqueeze(along, [1])], 1) };
      },
      trace: (row, k, [value, along]) => {
        Object.assign(points[row]![k]!.cell, { value, along });
      },
      powers: 0,
      uneven: true,
    },
    (row, { mean }) => {
      const state = states.get(images[row]!)!;
      state.integral = mean.map((value, k) => value + (state.integral[k] ?? 0));
      state.quadratureError = largest(mean) === 0 ? 0 : largest(mean) / largest(state.integral);
    },
  );
}

const largest = (values: Float64Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** What the derivatives miss of the output's change: before the first midpoint, between each two, after the last. */
function gapsOf(cells: readonly Cell[], baseOutput: number, output: number): number[] {
  const first = { value: baseOutput, along: 0, width: 0 };
  const last = { value: output, along: 0, width: 0 };
  return [...cells, last].map((right, k) => {
    const left = cells[k - 1] ?? first;
    return (left.along * left.width + right.along * right.width) / 2 - (right.value - left.value);
  });
}

function isExact(gaps: readonly number[], output: number, baseOutput: number, tolerance: number): boolean {
  const missing = gaps.reduce((a, b) => a + b, 0);
  const { error, relativeError } = completeness(output - baseOutput + missing, output - baseOutput);
  // What is no larger than the rounding of the two outputs cannot be told from nothing.
  return relativeError <= tolerance || error <= 2 ** -24 * (Math.abs(output) + Math.abs(baseOutput));
}

/** The share of what is missing that the cells to be cut account for. */
const MARKED = 0.75;
/** Positions are in single precision: finer cells would have no middle. */
const NARROWEST = 2 ** -20;

/** Cuts the cells beside the largest gaps; false when there is none to cut, or no room. */
function refine(state: State, gaps: readonly number[], maxSteps: number): boolean {
  const marked = new Set<Cell>();
  const order = gaps.map((_, k) => k).sort((a, b) => Math.abs(gaps[b]!) - Math.abs(gaps[a]!));
  let left = MARKED * gaps.reduce((sum, gap) => sum + Math.abs(gap), 0);
  for (const k of order) {
    if (left <= 0) break;
    left -= Math.abs(gaps[k]!);
    for (const beside of [state.cells[k - 1], state.cells[k]])
      if (beside && beside.width > NARROWEST) marked.add(beside);
  }
  if (marked.size === 0 || state.cells.length + 2 * marked.size > maxSteps) return false;
  state.points = [];
  state.cells = state.cells.flatMap((old) => {
    if (!marked.has(old)) return [old];
    const width = old.width / 3;
    const thirds = [cell(old.at - width, width), cell(old.at, width), cell(old.at + width, width)];
    thirds.forEach((third, k) => {
      state.points.push({ cell: third, weight: k === 1 ? width - old.width : width });
    });
    return thirds;
  });
  return true;
}
