/** @file How far a perturbation moves interpretation maps, and how far it must: Boopathy et al. 2020. */
import { type MapKind, mapsOf, rowsFor } from '../attacks/explanations/maps.ts';
import { UsageError } from '../errors.ts';
import { chunks, defaultBatchSize, feed, floats, padRows } from '../models/batching.ts';
import { type Classifier, checkClasses, checkImages } from '../models/classifier.ts';
import { argmaxRows, softmaxRows } from '../models/predict.ts';
import { checkLabels } from '../optimize/optimize-input.ts';
import type { Work } from '../progress.ts';
import { rows, type Tensor, zeros } from '../tensor.ts';

export interface DiscrepancyOptions extends Work {
  /** [N, C, H, W] in [0, 1]. */
  images: Tensor;
  /** The same images under attack. */
  adversarial: Tensor;
  /** True classes y, [N]. */
  labels: ArrayLike<number>;
  /** Default `'cam'`. */
  map?: MapKind;
  batchSize?: number;
}

/**
 * Distances in l1 between the maps I of images x and x', an entry an image; y is the true class, y' the one predicted on
 * x'. Class activation maps count with the factor 1 / positions, so that they add up to the logits without their bias;
 * maps of integrated gradients do so as they are.
 */
export interface InterpretationDiscrepancy {
  /** D₁ = ‖I(x, y) − I(x', y)‖₁, of the true class alone. */
  readonly oneClass: Float64Array;
  /** D₂,ℓ1 = ½ (‖I(x, y) − I(x', y)‖₁ + ‖I(x, y') − I(x', y')‖₁); D₁ where y' is y. */
  readonly twoClass: Float64Array;
  /** D̃ = ½ ‖I(x, y) − I(x', y)‖₁ + ½ Σ_{i≠y} p_i(x') ‖I(x, i) − I(x', i)‖₁, what their training minimises. */
  readonly allClasses: Float64Array;
  /** ½ (f_y(x) − f_y'(x)), which D₂,ℓ1 cannot be below where maps add up to logits: proposition 1. */
  readonly bound: Float64Array;
  /** y', [N]. */
  readonly predictions: Int32Array;
  /** Places among the images where D₂,ℓ1 is below the bound by more than rounding: for `'cam'` a fault, for others a fact. */
  readonly violations: readonly number[];
}

/** Rounding of logits and of sums over maps, as a share of the largest logit. */
const ROUNDING = 1e-5;

/**
 * The discrepancies of interpretation maps between images and their adversarial copies, and the bound of proposition 1.
 *
 * @throws UsageError when images, adversarial images or labels do not fit, or the model has no such map
 * @example
 * const { adversarial } = await perturb(classifier, pgd(), { images, labels, epsilon: 0.3 });
 * const { twoClass, bound } = await interpretationDiscrepancy(classifier, { images, adversarial, labels });
 */
export async function interpretationDiscrepancy(
  classifier: Classifier,
  options: DiscrepancyOptions,
): Promise<InterpretationDiscrepancy> {
  const { images, adversarial, labels } = options;
  for (const each of [images, adversarial]) checkImages(classifier, each);
  if (images.shape[0] !== adversarial.shape[0])
    throw new UsageError(`${images.shape[0]} images were given with ${adversarial.shape[0]} adversarial ones`);
  checkClasses(classifier.description);
  checkLabels(classifier, labels, images.shape[0]!);
  const { moved, natural, perturbed } = await compare(classifier, options);
  const predictions = argmaxRows(perturbed);
  const probabilities = softmaxRows(perturbed);
  const of = (tensor: Tensor, i: number) => rows(tensor, i, i + 1).data;
  const each = (value: (i: number, y: number, other: number) => number) =>
    Float64Array.from(predictions, (other, i) => value(i, labels[i]!, other));
  const twoClass = each((i, y, other) => (of(moved, i)[y]! + of(moved, i)[other]!) / 2);
  const bound = each((i, y, other) => (of(natural, i)[y]! - of(natural, i)[other]!) / 2);
  return {
    oneClass: each((i, y) => of(moved, i)[y]!),
    twoClass,
    allClasses: each((i, y) => {
      const p = of(probabilities, i);
      return of(moved, i).reduce((sum, distance, k) => sum + (k === y ? 1 : p[k]!) * distance, 0) / 2;
    }),
    bound,
    predictions,
    violations: Array.from(twoClass.keys()).filter((i) => {
      const largest = [...of(natural, i), ...of(perturbed, i)].reduce(
        (top, logit) => Math.max(top, Math.abs(logit)),
        0,
      );
      return twoClass[i]! < bound[i]! - ROUNDING * largest;
    }),
  };
}

/** ‖I(x, k) − I(x', k)‖₁ of every class, and the logits at x and x', each [N, K]. */
async function compare(
  classifier: Classifier,
  { images, adversarial, map = 'cam', batchSize, signal, onProgress }: DiscrepancyOptions,
): Promise<Readonly<Record<'moved' | 'natural' | 'perturbed', Tensor>>> {
  const write = mapsOf(classifier, map);
  const count = images.shape[0]!;
  const classes = classifier.classes.length;
  const most = Math.max(1, Math.floor(defaultBatchSize(classifier.description) / rowsFor(map, 1)));
  const plan = chunks(count, batchSize ?? most, classifier.description);
  const key = `discrepancy ${JSON.stringify(map)}`;
  const program = await classifier.program(key, rowsFor(map, plan.batch), (context) => {
    const { g } = context;
    const [before, after] = (['x', 'adversarial'] as const).map((name) =>
      write(context, g.input(name, 'float32', [plan.batch, ...classifier.inputShape])),
    ) as [ReturnType<typeof write>, ReturnType<typeof write>];
    const distances = g.abs(g.sub(before.all(), after.all()));
    g.output(typeof map === 'object' ? g.reduceSum(distances, [2]) : g.reduceMean(distances, [2]), 'moved');
    g.output(before.logits, 'natural');
    g.output(after.logits, 'perturbed');
  });
  const result = {
    moved: zeros([count, classes]),
    natural: zeros([count, classes]),
    perturbed: zeros([count, classes]),
  };
  for (const chunk of plan.chunks) {
    signal?.throwIfAborted();
    const { fetched } = await program.run({
      x: feed(padRows(images, chunk, plan.batch)),
      adversarial: feed(padRows(adversarial, chunk, plan.batch)),
    });
    for (const [name, tensor] of Object.entries(result))
      tensor.data.set(floats(fetched[name]!).subarray(0, (chunk.end - chunk.start) * classes), chunk.start * classes);
    onProgress?.({ stage: 'discrepancy', done: chunk.end, total: count });
  }
  return result;
}
