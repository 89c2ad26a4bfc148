/** @file Integrals along the straight way from a baseline to an image. */
import type { GraphBuilder, Value } from 'onnx-grad';
import type { ProgramContext } from '../models/classifier.ts';
import type { Tensor } from '../tensor.ts';
import { collectRows } from './collect-rows.ts';
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
  const integrals = collectRows(task.images.shape[0]!);
  const shape = await overPoints(
    task,
    {
      ...along(integrand, (k) => [positions[k]!, starts[k]!, starts[k]! + weights[k]!]),
      counts: new Int32Array(task.images.shape[0]!).fill(steps),
      weight: (_, k) => (increments ? 1 : weights[k]!),
    },
    (image, { mean }) => integrals.put(image, mean),
  );
  return integrals.tensor(shape);
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
