/**
 * @file Attacks that change what a model's interpretation map looks like, inside an linf ball, as plain data; the
 * prediction need not change.
 */
import { gradient } from 'onnx-grad';
import { UsageError } from '../../errors.ts';
import { chunks, defaultBatchSize, feed, floats, oneHot, padLabels, padRows } from '../../models/batching.ts';
import { type Classifier, checkClasses, checkImages } from '../../models/classifier.ts';
import { argmaxRows, predictLogits } from '../../models/predict.ts';
import { objectives } from '../../objectives/objectives.ts';
import { balls } from '../../optimize/ball.ts';
import { iterate, releaseAll } from '../../optimize/iterate.ts';
import { checkEpsilon, checkLabels, checkPixels, randomStart } from '../../optimize/optimize-input.ts';
import { projectLinf } from '../../optimize/project.ts';
import { copyRows } from '../../optimize/staged.ts';
import type { Work } from '../../progress.ts';
import { largestPositions } from '../../rank-correlation.ts';
import { uploadAll } from '../../runtime/upload-all.ts';
import { rows, type Tensor, zeros } from '../../tensor.ts';
import { checkAmounts, checkCounts } from '../settings.ts';
import { type MapKind, mapsOf, rowsFor } from './maps.ts';

/** JSON-serialisable. */
export interface MapAttack {
  readonly name: 'top-k' | 'discrepancy';
  readonly map: MapKind;
  readonly steps: number;
  /** In pixel units. */
  readonly stepSize: number;
  readonly randomStart: boolean;
  /** `'top-k'`: how many of the largest entries of the clean map lose their mass. */
  readonly k?: number;
  /** `'discrepancy'`: weight of the hinge that keeps the prediction. */
  readonly lambda?: number;
}

export interface MapAttackOptions {
  /** Default `'cam'`. */
  map?: MapKind;
  /** Default 200. 0 steps return the start. */
  steps?: number;
  /** Default 0.01. */
  stepSize?: number;
  /** Default true: from a uniformly random point of the ball. */
  randomStart?: boolean;
}

/**
 * Attack against interpretability as its code does it: sign steps that take mass from the `k` positions where the map of
 * the true class was largest. There is no term for the prediction; the last iterate counts. Boopathy et al. 2020, §6
 * (after Ghorbani et al. 2019, top-k attack).
 *
 * @throws UsageError for counts that are not whole numbers, or a step size below 0
 */
export function topKAttack({ k = 8, ...options }: MapAttackOptions & { k?: number } = {}): MapAttack {
  checkCounts('top-k attack', { k }, 1);
  return { name: 'top-k', ...withDefaults(options), k };
}

/**
 * Attack against interpretability as its formula has it: raises ‖I(x, y) − I(x', y)‖₁ − λ max(max_{j≠y} f_j(x') −
 * f_y(x'), 0), the distance of the maps of the true class as long as the prediction stays. Boopathy et al. 2020, eq. 8.
 * The paper leaves the factor of the distance open; here it is 1.
 *
 * @throws UsageError for steps that are not a whole number, or a step size or λ below 0
 */
export function discrepancyAttack({ lambda = 1, ...options }: MapAttackOptions & { lambda?: number } = {}): MapAttack {
  checkAmounts('discrepancy attack', { lambda });
  return { name: 'discrepancy', ...withDefaults(options), lambda };
}

function withDefaults({ map = 'cam', steps = 200, stepSize = 0.01, randomStart = true }: MapAttackOptions) {
  checkCounts('attack on maps', { steps }, 0);
  checkAmounts('attack on maps', { stepSize });
  return { map, steps, stepSize, randomStart };
}

export interface PerturbMapsOptions extends Work {
  /** [N, C, H, W] in [0, 1]. */
  images: Tensor;
  /** Classes whose maps are attacked, [N]. */
  labels: ArrayLike<number>;
  /** Radius of the linf ball, in pixel units. */
  epsilon: number;
  seed?: number;
  imageNumbers?: ArrayLike<number>;
  batchSize?: number;
}

export interface PerturbedMaps {
  readonly adversarial: Tensor;
  /** Maps of the labels before and after, [N, positions]. */
  readonly before: Tensor;
  readonly after: Tensor;
  /** Predictions before and after, [N]. */
  readonly natural: Int32Array;
  readonly predictions: Int32Array;
  /** Length of each perturbation in linf, in double precision, [N]. */
  readonly distance: Float64Array;
  /** Counted per image; a map of integrated gradients takes as many of each as it has steps. */
  readonly forwards: number;
  readonly gradients: number;
}

/**
 * Attacks the interpretation maps of images.
 *
 * @throws UsageError when images, labels or ε do not fit, or the model has no such map, or one of fewer positions than `k`
 * @example
 * const { before, after } = await perturbMaps(classifier, topKAttack(), { images, labels, epsilon: 0.3 });
 */
export async function perturbMaps(
  classifier: Classifier,
  attack: MapAttack,
  options: PerturbMapsOptions,
): Promise<PerturbedMaps> {
  const { images, labels, epsilon, seed = 0, imageNumbers, signal, onProgress } = options;
  const count = images.shape[0]!;
  checkImages(classifier, images);
  checkClasses(classifier.description);
  checkPixels(images, imageNumbers);
  checkEpsilon(epsilon);
  checkLabels(classifier, labels, count);
  const points = rowsFor(attack.map, 1);
  const batchSize = options.batchSize ?? Math.max(1, Math.floor(defaultBatchSize(classifier.description) / points));
  const work = { signal, batchSize };
  const before = await mapsAt(classifier, attack.map, { ...work, images, labels });
  const positions = before.shape[1]!;
  if (attack.k !== undefined && attack.k > positions)
    throw new UsageError(
      `k is ${attack.k}, but maps of '${classifier.description.name}' have ${positions} positions: choose fewer of them`,
    );
  const natural = argmaxRows(await predictLogits(classifier, images, work));
  const steps = epsilon === 0 ? 0 : attack.steps;
  const plan = chunks(count, batchSize, classifier.description);
  const program = await compileStep(classifier, attack, plan.batch, positions);
  const adversarial = { shape: images.shape, data: images.data.slice() };
  const radii = { shape: [count], data: new Float32Array(count).fill(epsilon) };
  // What the objective compares with: the positions that are to lose their mass, or the map itself.
  const reference = attack.name === 'top-k' ? largestOf(before, attack.k!) : before;
  let done = 0;
  for (const chunk of plan.chunks) {
    if (steps === 0) break;
    const padded = padRows(images, chunk, plan.batch);
    const own = { norm: 'linf' as const, epsilon: radii, seed, imageNumbers };
    const start = attack.randomStart ? randomStart(padded, chunk, 0, own) : padded;
    const constants = await uploadAll(classifier.runtime, {
      origin: feed(padded),
      target: feed(oneHot(padLabels(labels, chunk, plan.batch), classifier.classes.length)),
      reference: feed(padRows(reference, chunk, plan.batch)),
      epsilon: feed({ shape: [], data: Float32Array.of(epsilon) }),
      step_size: feed({ shape: [], data: Float32Array.of(attack.stepSize) }),
    });
    try {
      const state = await iterate(program, {
        state: { x: feed(start) },
        constants,
        steps,
        signal,
        onStep: () => {
          onProgress?.({ stage: attack.name, done: ++done, total: steps * plan.chunks.length });
          return undefined;
        },
      });
      try {
        const x = state.x!;
        copyRows('resident' in x ? await x.read() : x, chunk, adversarial.data);
      } finally {
        releaseAll(state);
      }
    } finally {
      releaseAll(constants);
    }
  }
  for (let i = 0; i < count; i++)
    balls.linf.pullIn(rows(adversarial, i, i + 1).data, rows(images, i, i + 1).data, epsilon);
  const after = await mapsAt(classifier, attack.map, { ...work, images: adversarial, labels });
  return {
    adversarial,
    before,
    after,
    natural,
    predictions: argmaxRows(await predictLogits(classifier, adversarial, work)),
    distance: Float64Array.from({ length: count }, (_, i) =>
      balls.linf.distance(rows(adversarial, i, i + 1).data, rows(images, i, i + 1).data),
    ),
    forwards: count * points * (steps + 4),
    gradients: count * points * steps,
  };
}

/** A step of the attack: x → x_next, and the objective at x. */
function compileStep(classifier: Classifier, attack: MapAttack, batch: number, positions: number) {
  const write = mapsOf(classifier, attack.map);
  const { name, map, lambda = 0 } = attack;
  return classifier.program(`attack map ${JSON.stringify([name, map, lambda])}`, rowsFor(map, batch), (context) => {
    const { g } = context;
    const shape = [batch, ...classifier.inputShape];
    const [x, origin] = [g.input('x', 'float32', shape), g.input('origin', 'float32', shape)];
    const target = g.input('target', 'float32', [batch, classifier.classes.length]);
    const [epsilon, size] = [g.input('epsilon', 'float32', []), g.input('step_size', 'float32', [])];
    const reference = g.input('reference', 'float32', [batch, positions]);
    const { logits, of } = write(context, x);
    const own = of(target);
    const value =
      name === 'top-k'
        ? g.neg(g.reduceSum(g.mul(own, reference), [1]))
        : g.sub(
            g.reduceSum(g.abs(g.sub(own, reference)), [1]),
            g.scale(g.relu(objectives.margin.build(g, logits, target)), lambda),
          );
    const [dx] = gradient(g, { of: value, wrt: [x] });
    g.output(projectLinf(g, g.add(x, g.mul(size, g.sign(dx!))), origin, epsilon), 'x_next');
    g.output(value, 'objective');
  });
}

/** One where a row of [N, positions] has its `k` largest entries. */
function largestOf(maps: Tensor, k: number): Tensor {
  const mask = zeros(maps.shape);
  const [count, positions] = maps.shape as [number, number];
  for (let i = 0; i < count; i++)
    for (const at of largestPositions(rows(maps, i, i + 1).data, k)) mask.data[i * positions + at] = 1;
  return mask;
}

/** Interpretation maps of images, [N, positions]; `labels` are the classes of the maps. */
export async function mapsAt(
  classifier: Classifier,
  kind: MapKind,
  { images, labels, batchSize, signal }: Work & { images: Tensor; labels: ArrayLike<number>; batchSize?: number },
): Promise<Tensor> {
  const write = mapsOf(classifier, kind);
  const count = images.shape[0]!;
  const most = Math.max(1, Math.floor(defaultBatchSize(classifier.description) / rowsFor(kind, 1)));
  const plan = chunks(count, batchSize ?? most, classifier.description);
  const program = await classifier.program(`maps ${JSON.stringify(kind)}`, rowsFor(kind, plan.batch), (context) => {
    const { g } = context;
    const x = g.input('x', 'float32', [plan.batch, ...classifier.inputShape]);
    const target = g.input('target', 'float32', [plan.batch, classifier.classes.length]);
    const { logits, of } = write(context, x);
    g.output(of(target), 'map');
    g.output(logits, 'logits_out');
  });
  const parts: Float32Array[] = [];
  let positions = 0;
  for (const chunk of plan.chunks) {
    signal?.throwIfAborted();
    const target = oneHot(padLabels(labels, chunk, plan.batch), classifier.classes.length);
    const { fetched } = await program.run(
      { x: feed(padRows(images, chunk, plan.batch)), target: feed(target) },
      { fetch: ['map'] },
    );
    positions = fetched.map!.shape[1]!;
    parts.push(floats(fetched.map!).slice(0, (chunk.end - chunk.start) * positions));
  }
  const data = new Float32Array(count * positions);
  let offset = 0;
  for (const part of parts) {
    data.set(part, offset);
    offset += part.length;
  }
  return { shape: [count, positions], data };
}
