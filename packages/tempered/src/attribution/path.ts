/** @file Integrals along the straight way from a baseline to an image, by a rule or refined until they are exact enough. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import type { ProgramContext } from '../models/classifier.ts';
import { type Tensor, takeRows, zeros } from '../tensor.ts';
import { checkCount } from './check-count.ts';
import type { Task } from './explanation.ts';
import { overPoints, type Points } from './points.ts';
import { type QuadratureRule, quadrature } from './quadrature.ts';

/** What is integrated over the place on the way, from 0 at the baseline to 1 at the image. */
export interface Integrand {
  /** Names the program: equal keys mean equal programs. */
  readonly key: string;
  readonly stage: string;
  readonly passes: Points['passes'];
  /** Inputs with one row an image. */
  readonly images: Readonly<Record<string, Tensor>>;
  /** Returns the integrand at `place.at`, [batch, ...]. */
  write(context: ProgramContext, inputs: Readonly<Record<string, Value>>, place: Place): Value;
}

/** A point and the interval that it stands for, each [batch, 1]. */
export interface Place {
  readonly at: Value;
  readonly from: Value;
  readonly to: Value;
}

/** start + place · (end − start), for places [batch, 1] and ends [batch, ...]. */
export function between(g: GraphBuilder, start: Value, end: Value, place: Value): Value {
  const spread = g.reshape(place, [place.shape[0]!, ...start.shape.slice(1).map(() => 1)]);
  return g.add(start, g.mul(spread, g.sub(end, start)));
}

export interface RuleOptions {
  readonly rule: QuadratureRule;
  readonly steps: number;
  /** Whether the integrand has the width of its interval in it already: it then counts as it is. */
  readonly increments?: boolean;
}

/** The integrals of all images by one rule, [N, ...]. */
export async function integrate(
  task: Task,
  integrand: Integrand,
  { rule, steps, increments = false }: RuleOptions,
): Promise<Tensor> {
  const { positions, weights } = quadrature(rule, steps);
  const starts = new Float64Array(steps);
  for (let k = 1; k < steps; k++) starts[k] = starts[k - 1]! + weights[k - 1]!;
  const integrals: Float64Array[] = [];
  const shape = await overPoints(
    task,
    {
      ...along(integrand, (k) => [positions[k]!, starts[k]!, starts[k]! + weights[k]!]),
      counts: new Int32Array(task.images.shape[0]!).fill(steps),
      weight: (_, k) => (increments ? 1 : weights[k]!),
    },
    (image, { mean }) => {
      integrals[image] = mean;
    },
  );
  return stacked(integrals, shape);
}

export interface AdaptiveOptions {
  /** Points of the first round. */
  readonly steps: number;
  readonly maxSteps: number;
  readonly tolerance: number;
  /** How far off an image's integral still is. */
  relativeError(image: number, integral: Float64Array): number;
}

export interface Refined {
  readonly integrals: Tensor;
  /** On the way of each image. */
  readonly points: number[];
  /** Largest change of an integral at the last refinement, over the largest |integral|. */
  readonly quadratureError: number[];
}

/**
 * The integrals by the midpoint rule, with three times as many points each round, of which two thirds are new, until the
 * error of an image is at most the tolerance or the next round would exceed `maxSteps`. There are two rounds at least:
 * errors of few points may add up to nothing by chance.
 */
export async function integrateAdaptively(
  task: Task,
  integrand: Integrand,
  { steps, maxSteps, tolerance, relativeError }: AdaptiveOptions,
): Promise<Refined> {
  checkCount('steps', steps);
  if (!(tolerance >= 0)) throw new UsageError(`tolerance must be 0 or more, not ${tolerance}`);
  if (!(maxSteps >= 3 * steps))
    throw new UsageError(`maxSteps must be ${3 * steps} or more, three times the steps, not ${maxSteps}`);
  const count = task.images.shape[0]!;
  const integrals: Float64Array[] = [];
  const points: number[] = [];
  const quadratureError: number[] = [];
  let shape: readonly number[] = [];
  let open = Array.from({ length: count }, (_, i) => i);
  for (let n = steps; n <= maxSteps && open.length > 0; n *= 3) {
    const first = n === steps;
    // Every third midpoint is one of the round before.
    const numberOf = first ? (k: number) => k : (k: number) => k + Math.floor((k + 1) / 2);
    const asked = open;
    shape = await overPoints(
      task,
      {
        ...along(
          { ...integrand, stage: `${integrand.stage}, ${n} points`, images: takeAll(integrand.images, asked) },
          (k) => [(numberOf(k) + 0.5) / n, numberOf(k) / n, (numberOf(k) + 1) / n],
        ),
        counts: new Int32Array(asked.length).fill(first ? n : (2 * n) / 3),
        weight: () => 1 / n,
      },
      (row, { mean }) => {
        const image = asked[row]!;
        const before = integrals[image];
        const integral = before ? mean.map((value, k) => value + before[k]! / 3) : mean;
        if (before) quadratureError[image] = largestChange(before, integral);
        integrals[image] = integral;
        points[image] = n;
      },
    );
    if (!first) open = asked.filter((image) => !(relativeError(image, integrals[image]!) <= tolerance));
  }
  return { integrals: stacked(integrals, shape), points, quadratureError };
}

/** The points of an integrand: for each, its place and the ends of its interval. */
function along(
  { key, stage, passes, images, write }: Integrand,
  placeOf: (point: number) => readonly [number, number, number],
): Omit<Points, 'counts'> {
  const coordinate = (which: 0 | 1 | 2) => ({
    shape: [1],
    fill: (into: Float32Array, _: number, point: number) => {
      into[0] = placeOf(point)[which];
    },
  });
  return {
    key,
    stage,
    passes,
    images,
    points: { at: coordinate(0), from: coordinate(1), to: coordinate(2) },
    write: (context, { at, from, to, ...inputs }) => write(context, inputs, { at: at!, from: from!, to: to! }),
    powers: 0,
  };
}

const takeAll = (images: Readonly<Record<string, Tensor>>, indices: readonly number[]): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(images).map(([name, tensor]) => [name, takeRows(tensor, indices)]));

function largestChange(before: Float64Array, after: Float64Array): number {
  let [change, largest] = [0, 0];
  after.forEach((value, k) => {
    change = Math.max(change, Math.abs(value - before[k]!));
    largest = Math.max(largest, Math.abs(value));
  });
  return change === 0 ? 0 : change / largest;
}

function stacked(parts: readonly Float64Array[], shape: readonly number[]): Tensor {
  const result = zeros([parts.length, ...shape]);
  parts.forEach((part, i) => {
    result.data.set(part, i * part.length);
  });
  return result;
}
