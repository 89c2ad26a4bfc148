/** @file Interpretation-sneaking attack: a targeted misclassification that leaves the interpretation maps nearly as they were. */
import { type GraphBuilder, gradient, type Value } from 'onnx-grad';
import { UsageError } from '../../errors.ts';
import { chunks, defaultBatchSize, feed, floats, oneHot, padLabels, padRows } from '../../models/batching.ts';
import { type Classifier, checkClasses, checkImages, type ProgramContext } from '../../models/classifier.ts';
import { argmaxRows, predict, predictLogits } from '../../models/predict.ts';
import { balls } from '../../optimize/ball.ts';
import { iterate, releaseAll } from '../../optimize/iterate.ts';
import { writeJudgement } from '../../optimize/judgement.ts';
import { checkLabels, checkPixels } from '../../optimize/optimize-input.ts';
import { eachImage, projectLinf } from '../../optimize/project.ts';
import type { Work } from '../../progress.ts';
import type { HostTensor, ResidentTensor } from '../../runtime/runtime.ts';
import { uploadAll } from '../../runtime/upload-all.ts';
import { putRows, rows, type Tensor, takeRows } from '../../tensor.ts';
import { perturb } from '../attack.ts';
import { minimalEpsilon } from '../minimal-epsilon.ts';
import { pgd } from '../pgd.ts';
import { checkAmounts, checkCounts } from '../settings.ts';
import { mapsAt } from './map-attack.ts';
import { type MapKind, mapsOf, rowsFor, sameClass, type WrittenMaps } from './maps.ts';

/** JSON-serialisable. */
export interface SneakingAttack {
  readonly name: 'interpretation-sneaking';
  readonly map: MapKind;
  /** Whose maps are to stay: the true class's, those of the true and the target class, or those of all. */
  readonly classes: 'true' | 'two' | 'all';
  /** Norm of the difference between maps. */
  readonly mapNorm: 'l1' | 'l2';
  /** Radii, over the smallest one at which the target can be reached. */
  readonly factors: readonly number[];
  /** Margin of the target over the true class, κ. */
  readonly confidence: number;
  readonly steps: number;
  /** Length of a step over the radius. */
  readonly relativeStep: number;
  /** Weights γ of the discrepancy that are tried on an image: ten times more until one fails, then bisection. */
  readonly weights: number;
  readonly firstWeight: number;
}

export type SneakingOptions = Partial<Omit<SneakingAttack, 'name'>>;

/**
 * Two searches an image: the smallest linf radius ε at which projected gradient descent reaches the target, then, within
 * c · ε for each factor c, the largest weight γ in max(f_y − f_t + κ, 0) + γ D at which it still does; of all
 * adversarial iterates the one with the smallest discrepancy D counts. Boopathy et al. 2020, §4 and their code.
 *
 * @param options defaults: CAM, two classes, l1, factors [1, 1.25, 1.5, 2], κ = 0.1, 30 steps of 0.1 ε, 10 weights from 5e-5
 * @throws UsageError for counts that are not whole numbers above 0, sizes below 0, or factors below 1
 */
export function sneakingAttack({
  map = 'cam',
  classes = 'two',
  mapNorm = 'l1',
  factors = [1, 1.25, 1.5, 2],
  confidence = 0.1,
  steps = 30,
  relativeStep = 0.1,
  weights = 10,
  firstWeight = 5e-5,
}: SneakingOptions = {}): SneakingAttack {
  const name = 'interpretation-sneaking';
  checkCounts(name, { steps, weights }, 1);
  checkAmounts(name, { confidence, relativeStep, firstWeight });
  const bad = factors.find((factor) => !(factor >= 1 && factor < Infinity));
  if (bad !== undefined) throw new UsageError(`${name}: factors on the smallest radius must be 1 or more, not ${bad}`);
  return { name, map, classes, mapNorm, factors, confidence, steps, relativeStep, weights, firstWeight };
}

export interface SneakOptions extends Work {
  /** [N, C, H, W] in [0, 1]; those that are not classified right are left out. */
  images: Tensor;
  labels: ArrayLike<number>;
  /** Classes to reach, [N]. */
  targets: ArrayLike<number>;
  seed?: number;
  imageNumbers?: ArrayLike<number>;
  batchSize?: number;
}

export interface Sneaked {
  readonly factor: number;
  /** Radius of each image, in pixel units; NaN where the target could not be reached at all, and where the image was left out. */
  readonly epsilon: Float64Array;
  readonly adversarial: Tensor;
  /** Whether a fresh forward pass predicts the target, [N]. */
  readonly success: Uint8Array;
  /** D between the clean and the adversarial maps, per position: divided by their number. NaN without success. */
  readonly discrepancy: Float64Array;
  /**
   * ½ (f_y(x) − f_t(x)), which D cannot be below when it is that of two classes in l1 and maps add up to the logits
   * (Boopathy et al. 2020, proposition 1).
   */
  readonly bound: Float64Array;
}

/**
 * Runs the attack at each of its factors, the smallest first. Images that are not classified right have no
 * interpretation to keep: they are left out, come back as they were and count as no success.
 *
 * @throws UsageError when images, labels or targets do not fit, a target is the label, or the model has no such map
 * @example
 * const [first] = await sneak(classifier, sneakingAttack(), { images, labels, targets });
 */
export async function sneak(classifier: Classifier, attack: SneakingAttack, options: SneakOptions): Promise<Sneaked[]> {
  const { images, labels, targets, imageNumbers, batchSize, signal } = options;
  checkImages(classifier, images);
  checkClasses(classifier.description);
  checkPixels(images, imageNumbers);
  for (const classes of [labels, targets]) checkLabels(classifier, classes, images.shape[0]!);
  for (let i = 0; i < labels.length; i++)
    if (labels[i] === targets[i])
      throw new UsageError(`the target of image ${imageNumbers?.[i] ?? i} is its own class`);
  const logits = await predictLogits(classifier, images, { batchSize, imageNumbers, signal });
  const predictions = argmaxRows(logits);
  const right = Uint32Array.from(predictions.keys()).filter((i) => predictions[i] === labels[i]);
  const factors = [...attack.factors].sort((a, b) => a - b);
  const found = right.length > 0 ? await sneakRight(classifier, attack, onlyThese(options, right), factors) : [];
  const bound = boundOf(logits, options);
  return factors.map((factor, k) => ({ factor, ...amongAll(options, right, found[k]), bound }));
}

type Found = Pick<Sneaked, 'epsilon' | 'adversarial' | 'success' | 'discrepancy'>;

/** The searches for images that are classified right, an entry for each factor. */
async function sneakRight(
  classifier: Classifier,
  attack: SneakingAttack,
  options: SneakOptions,
  factors: readonly number[],
): Promise<Found[]> {
  const { images, labels, onProgress, ...work } = options;
  const reach = minimalEpsilon(pgd({ loss: 'margin', steps: attack.steps, keep: 'first' }));
  const { distance, success } = await perturb(classifier, reach, { ...work, images, labels });
  const smallest = Float64Array.from(distance, (length, i) => (success[i] === 1 ? length : Number.NaN));
  const results: Found[] = [];
  // What lies in a smaller ball lies in the larger ones too: the search goes on from there.
  const best: Best = {
    x: { ...images, data: images.data.slice() },
    discrepancy: new Float32Array(labels.length).fill(LARGE),
  };
  for (const factor of factors) {
    const epsilon = smallest.map((length) => length * factor);
    const found = await searchWeights(classifier, attack, options, epsilon, best, (done) =>
      onProgress?.({
        stage: attack.name,
        done: results.length * attack.weights + done,
        total: factors.length * attack.weights,
      }),
    );
    results.push({ epsilon, ...found });
  }
  return results;
}

function onlyThese(options: SneakOptions, indices: Uint32Array): SneakOptions {
  const { images, labels, targets, imageNumbers } = options;
  return {
    ...options,
    images: takeRows(images, indices),
    labels: Array.from(indices, (i) => labels[i]!),
    targets: Array.from(indices, (i) => targets[i]!),
    imageNumbers: Array.from(indices, (i) => imageNumbers?.[i] ?? i),
  };
}

/** What was found for some of the images, with the others as they were. */
function amongAll({ images, labels }: SneakOptions, indices: Uint32Array, found: Found | undefined): Found {
  const result = {
    epsilon: new Float64Array(labels.length).fill(Number.NaN),
    adversarial: { ...images, data: images.data.slice() },
    success: new Uint8Array(labels.length),
    discrepancy: new Float64Array(labels.length).fill(Number.NaN),
  };
  if (found === undefined) return result;
  putRows(result.adversarial, found.adversarial, indices);
  for (const [k, i] of indices.entries()) {
    result.epsilon[i] = found.epsilon[k]!;
    result.success[i] = found.success[k]!;
    result.discrepancy[i] = found.discrepancy[k]!;
  }
  return result;
}

function boundOf({ data, shape }: Tensor, { labels, targets }: SneakOptions): Float64Array {
  const classes = shape[1]!;
  return Float64Array.from(labels, (label, i) => (data[i * classes + label]! - data[i * classes + targets[i]!]!) / 2);
}

/** The classes whose maps count, as labels for each image. */
function classSet({ classes }: SneakingAttack, { labels, targets }: SneakOptions, count: number): ArrayLike<number>[] {
  if (classes === 'true') return [labels];
  if (classes === 'two') return [labels, targets];
  return Array.from({ length: count }, (_, k) => new Int32Array(labels.length).fill(k));
}

/** The adversarial images found so far, and the discrepancy of each; LARGE where there is none. */
interface Best {
  readonly x: Tensor;
  readonly discrepancy: Float32Array;
}

async function searchWeights(
  classifier: Classifier,
  attack: SneakingAttack,
  options: SneakOptions,
  epsilon: Float64Array,
  best: Best,
  onRound: (done: number) => void,
): Promise<Pick<Sneaked, 'adversarial' | 'success' | 'discrepancy'>> {
  const { images, labels, targets, signal } = options;
  const count = labels.length;
  const most = Math.max(1, Math.floor(defaultBatchSize(classifier.description) / rowsFor(attack.map, 1)));
  const plan = chunks(count, options.batchSize ?? most, classifier.description);
  const set = classSet(attack, options, classifier.classes.length);
  const clean: Tensor[] = [];
  for (const each of set)
    clean.push(await mapsAt(classifier, attack.map, { images, labels: each, batchSize: plan.batch, signal }));
  const positions = clean[0]!.shape[1]!;
  const program = await compileStep(classifier, attack, plan.batch, set.length, positions);
  const weight = { low: new Float64Array(count), high: new Float64Array(count).fill(Number.POSITIVE_INFINITY) };
  let next = new Float64Array(count).fill(attack.firstWeight);
  const size = images.data.length / count;
  for (let round = 0; round < attack.weights; round++) {
    for (const chunk of plan.chunks) {
      const own = padRows(images, chunk, plan.batch);
      const numbers = (values: Float64Array): Tensor => ({
        shape: [count],
        data: Float32Array.from(values, (v) => v || 0),
      });
      const hot = (classes: ArrayLike<number>) =>
        feed(oneHot(padLabels(classes, chunk, plan.batch), classifier.classes.length));
      const constants: Record<string, ResidentTensor> = await uploadAll(classifier.runtime, {
        origin: feed(own),
        target: hot(labels),
        aim: hot(targets),
        epsilon: feed(padRows(numbers(epsilon), chunk, plan.batch)),
        weight: feed(padRows(numbers(next), chunk, plan.batch)),
        ...Object.fromEntries(clean.map((maps, k) => [`clean_${k}`, feed(padRows(maps, chunk, plan.batch))])),
      });
      try {
        const none: HostTensor = feed({ shape: [plan.batch], data: new Float32Array(plan.batch).fill(LARGE) });
        const state = await iterate(program, {
          state: { x: feed(own), best_x: feed(own), best_discrepancy: none },
          constants,
          // The last step only judges where the one before it led.
          steps: attack.steps + 1,
          signal,
        });
        const [x, discrepancy] = await Promise.all([state.best_x!, state.best_discrepancy!].map(read)).finally(() =>
          releaseAll(state),
        );
        for (let i = chunk.start; i < chunk.end; i++) {
          const k = i - chunk.start;
          const reached = discrepancy![k]! < LARGE / 2;
          if (reached) weight.low[i] = next[i]!;
          else weight.high[i] = next[i]!;
          if (discrepancy![k]! < best.discrepancy[i]!) {
            best.discrepancy[i] = discrepancy![k]!;
            best.x.data.set(x!.subarray(k * size, (k + 1) * size), i * size);
          }
        }
      } finally {
        releaseAll(constants);
      }
    }
    next = next.map((_, i) =>
      weight.high[i] === Number.POSITIVE_INFINITY ? weight.low[i]! * 10 : (weight.low[i]! + weight.high[i]!) / 2,
    );
    onRound(round + 1);
  }
  for (let i = 0; i < count; i++)
    balls.linf.pullIn(rows(best.x, i, i + 1).data, rows(images, i, i + 1).data, epsilon[i] || 0);
  const predictions = await predict(classifier, best.x, { batchSize: plan.batch, signal });
  const success = Uint8Array.from(predictions, (k, i) => Number(k === targets[i]));
  return {
    adversarial: { ...best.x, data: best.x.data.slice() },
    success,
    discrepancy: Float64Array.from(best.discrepancy, (value, i) => (success[i] === 1 ? value / positions : Number.NaN)),
  };
}

/** More than any discrepancy, and still finite in single precision. */
const LARGE = 1e30;

async function read(tensor: HostTensor | ResidentTensor): Promise<Float32Array> {
  return floats('resident' in tensor ? await tensor.read() : tensor);
}

function compileStep(classifier: Classifier, attack: SneakingAttack, batch: number, sets: number, positions: number) {
  const { map, classes, mapNorm, confidence, relativeStep } = attack;
  const key = JSON.stringify(['sneak', map, classes, mapNorm, confidence, relativeStep]);
  const write = mapsOf(classifier, map);
  return classifier.program(key, rowsFor(map, batch), (context: ProgramContext) => {
    const { g } = context;
    const shape = [batch, ...classifier.inputShape];
    const [x, origin, bestX] = ['x', 'origin', 'best_x'].map((name) => g.input(name, 'float32', shape)) as [
      Value,
      Value,
      Value,
    ];
    const [target, aim] = ['target', 'aim'].map((name) =>
      g.input(name, 'float32', [batch, classifier.classes.length]),
    ) as [Value, Value];
    const [epsilon, weight, best] = ['epsilon', 'weight', 'best_discrepancy'].map((name) =>
      g.input(name, 'float32', [batch]),
    ) as [Value, Value, Value];
    const written = write(context, x);
    const hots = Array.from({ length: sets }, (_, k) =>
      classes === 'all' ? sameClass(g, k, target.shape as [number, number]) : [target, aim][k]!,
    );
    const distances = hots.map((hot, k) => {
      const clean = g.input(`clean_${k}`, 'float32', [batch, positions]);
      const difference = g.sub(written.of(hot), clean);
      return mapNorm === 'l1'
        ? g.reduceSum(g.abs(difference), [1])
        : g.sqrt(g.offset(g.reduceSum(g.square(difference), [1]), 1e-20));
    });
    const discrepancy = g.scale(
      distances.reduce((sum, each) => g.add(sum, each)),
      1 / distances.length,
    );
    const hinge = g.relu(g.offset(targetMargin(g, written, target, aim), confidence));
    const loss = g.add(hinge, g.mul(weight, discrepancy));
    const [dx] = gradient(g, { of: loss, wrt: [x] });
    const moved = g.sub(x, g.mul(g.scale(eachImage(g, epsilon, x), relativeStep), g.sign(dx!)));
    g.output(projectLinf(g, moved, origin, eachImage(g, epsilon, x)), 'x_next');
    const { success } = writeJudgement(g, written.logits, aim, 'toward');
    const found = g.where(success, discrepancy, g.constant(LARGE));
    const better = g.less(found, best);
    g.output(g.where(eachImage(g, better, x), x, bestX), 'best_x_next');
    g.output(g.min(found, best), 'best_discrepancy_next');
  });
}

/** f_y − f_t. */
const targetMargin = (g: GraphBuilder, { logits }: WrittenMaps, target: Value, aim: Value): Value =>
  g.reduceSum(g.mul(logits, g.sub(target, aim)), [1]);
