/** @file One perturbation for all images. */
import { gradient } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import { chunks, defaultBatchSize, feed, floats, oneHot, padLabels, padRows, scalar } from '../models/batching.ts';
import { type Classifier, type ClassifierProgram, checkClasses, checkImages } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import { objectives } from '../objectives/objectives.ts';
import { balls } from '../optimize/ball.ts';
import { checkEpsilon, checkPixels } from '../optimize/optimize-input.ts';
import { clipToBox } from '../optimize/project.ts';
import type { Work } from '../progress.ts';
import { createRandom } from '../random.ts';
import { rows, sizeOf, type Tensor, takeRows, zeros } from '../tensor.ts';
import { perturb } from './attack.ts';
import { deepFool } from './deep-fool.ts';
import { checkCounts, checkShares, checkSizes } from './settings.ts';

export interface UniversalOptions extends Work {
  /** The set that the perturbation is made from, [N, C, H, W] in [0, 1]. */
  images: Tensor;
  /** Default `'linf'`. */
  norm?: 'linf' | 'l2';
  /** Length of the perturbation, in pixel units. */
  epsilon: number;
  /**
   * `'gradient'` (default): steps along the gradient of the mean loss of a batch. `'deep-fool'`: the smallest further
   * perturbation of one image after the other, as in the paper that found universal perturbations.
   */
  method?: 'gradient' | 'deep-fool';
  /** Passes over the images, at most. Default 10. */
  epochs?: number;
  /** Share of the images to fool before the search ends. Default 0.8 for `'deep-fool'`, 1 for `'gradient'`. */
  goal?: number;
  /** Length of a step of `'gradient'`, in pixel units. Default ε / 10. */
  stepSize?: number;
  /** Default 0. */
  seed?: number;
  batchSize?: number;
}

export interface Universal {
  /** `[C, H, W]`: to be added to images, which are then clipped to [0, 1]. */
  readonly delta: Tensor;
  /** Share of the given images whose prediction it changes. */
  readonly foolingRate: number;
  readonly epochs: number;
}

/**
 * A single perturbation that changes the predictions of many images. Moosavi-Dezfooli et al. 2017, Alg. 1
 * (`'deep-fool'`); Shafahi et al. 2020, "Universal adversarial training", Alg. 2: ascent on the cross-entropy, cut off at
 * β = 9 so that no image takes over (`'gradient'`). Predictions of the unperturbed images count as their classes. The best
 * perturbation at the end of an epoch is returned; measure it on images that it has not seen with `foolingRate`.
 *
 * @throws UsageError for a negative ε, no epochs, a goal outside (0, 1], images that do not fit the classifier, or pixels outside [0, 1]
 * @example
 * const { delta } = await universalPerturbation(classifier, { images: training, epsilon: 0.2 });
 * const rate = await foolingRate(classifier, heldOut, delta);
 */
export async function universalPerturbation(classifier: Classifier, options: UniversalOptions): Promise<Universal> {
  const { images, norm = 'linf', epsilon, method = 'gradient', epochs = 10, seed = 0, signal, onProgress } = options;
  const goal = options.goal ?? (method === 'deep-fool' ? 0.8 : 1);
  checkClasses(classifier.description);
  checkImages(classifier, images);
  checkPixels(images);
  checkEpsilon(epsilon);
  checkCounts('universal perturbation', { epochs }, 1);
  checkShares('universal perturbation', { goal });
  if (options.stepSize !== undefined) checkSizes('universal perturbation', { stepSize: options.stepSize });
  const count = images.shape[0]!;
  if (count === 0) throw new UsageError('a universal perturbation needs images to be made from');
  const natural = await predict(classifier, images, { batchSize: options.batchSize, signal });
  let delta = zeros(classifier.inputShape);
  // At confident predictions the cross-entropy has no gradient: ascent starts away from 0.
  if (method === 'gradient') balls[norm].randomPoint(delta.data, epsilon, createRandom(seed, 'universal'));
  let best: Universal = { delta: zeros(classifier.inputShape), foolingRate: 0, epochs: 0 };
  for (let epoch = 1; epoch <= epochs && best.foolingRate < goal; epoch++) {
    const order = createRandom(seed, 'universal', epoch).shuffle(count);
    const pass = { ...options, norm, order, natural, delta };
    delta = await (method === 'gradient' ? ascend(classifier, pass) : foolInTurn(classifier, pass));
    const fooled = await predict(classifier, added(images, delta), { batchSize: options.batchSize, signal });
    const rate = fooled.filter((k, i) => k !== natural[i]).length / count;
    if (rate > best.foolingRate) best = { delta, foolingRate: rate, epochs: epoch };
    onProgress?.({ stage: 'universal', done: epoch, total: epochs, detail: `${(100 * rate).toFixed(0)} % fooled` });
  }
  return best;
}

/**
 * Share of images whose prediction a perturbation changes, whether it was right or not.
 *
 * @param delta [C, H, W]
 * @throws UsageError when images or perturbation do not fit the classifier
 */
export async function foolingRate(
  classifier: Classifier,
  images: Tensor,
  delta: Tensor,
  work: Work & { batchSize?: number } = {},
): Promise<number> {
  checkImages(classifier, { ...delta, shape: [1, ...delta.shape] });
  const natural = await predict(classifier, images, work);
  const perturbed = await predict(classifier, added(images, delta), work);
  return perturbed.filter((k, i) => k !== natural[i]).length / natural.length;
}

/** Images with the perturbation added, clipped to [0, 1]. */
function added(images: Tensor, delta: Tensor): Tensor {
  const size = delta.data.length;
  return { shape: images.shape, data: images.data.map((v, i) => Math.min(1, Math.max(0, v + delta.data[i % size]!))) };
}

interface Pass extends UniversalOptions {
  readonly norm: 'linf' | 'l2';
  readonly order: Uint32Array;
  readonly natural: Int32Array;
  readonly delta: Tensor;
}

/** One epoch of ascent, a step a batch. */
async function ascend(classifier: Classifier, pass: Pass): Promise<Tensor> {
  const { images, norm, epsilon, stepSize = epsilon / 10, order, natural, signal } = pass;
  const { description, classes, inputShape } = classifier;
  const { batch, chunks: list } = chunks(order.length, pass.batchSize ?? defaultBatchSize(description), description);
  const program = await compile(classifier, norm, batch);
  let delta = feed({ shape: [1, ...inputShape], data: pass.delta.data });
  for (const chunk of list) {
    signal?.throwIfAborted();
    const members = order.subarray(chunk.start, chunk.end);
    const part = { start: 0, end: members.length };
    const labels = Array.from(members, (i) => natural[i]!);
    const { fetched } = await program.run({
      x: feed(padRows(takeRows(images, members), part, batch)),
      delta,
      target: feed(oneHot(padLabels(labels, part, batch), classes.length)),
      weight: feed({
        shape: [batch],
        data: Float32Array.from({ length: batch }, (_, k) => Number(k < members.length)),
      }),
      epsilon: scalar(epsilon),
      step_size: scalar(stepSize),
    });
    delta = fetched.delta_next!;
  }
  return { shape: inputShape, data: floats(delta) };
}

/** Where the cross-entropy of an image stops counting, β. */
const ENOUGH = 9;

function compile(classifier: Classifier, norm: 'linf' | 'l2', batch: number): Promise<ClassifierProgram> {
  const { inputShape, classes } = classifier;
  return classifier.program(`universal ${norm}`, batch, ({ g, model }) => {
    const x = g.input('x', 'float32', [batch, ...inputShape]);
    const delta = g.input('delta', 'float32', [1, ...inputShape]);
    const target = g.input('target', 'float32', [batch, classes.length]);
    const weight = g.input('weight', 'float32', [batch]);
    const number = (name: string) =>
      g.reshape(
        g.input(name, 'float32', []),
        delta.shape.map(() => 1),
      );
    const [epsilon, size] = [number('epsilon'), number('step_size')];
    const loss = objectives['cross-entropy'].build(g, model(clipToBox(g, g.add(x, delta))).logits, target);
    const counted = g.mul(g.min(loss, g.constant(ENOUGH)), weight);
    const [ascent] = gradient(g, { of: counted, wrt: [delta] });
    const moved = balls[norm].step(g, delta, ascent!, size);
    if (norm === 'linf') g.output(g.max(g.min(moved, epsilon), g.neg(epsilon)), 'delta_next');
    else {
      const axes = moved.shape.map((_, axis) => axis);
      const length = g.max(g.sqrt(g.reduceSum(g.square(moved), axes, true)), g.constant(1e-12));
      g.output(g.mul(moved, g.min(g.div(epsilon, length), g.constant(1))), 'delta_next');
    }
  });
}

/** One pass of the paper's algorithm: images that are not fooled yet add the smallest change that fools them. */
async function foolInTurn(classifier: Classifier, pass: Pass): Promise<Tensor> {
  const { images, norm, epsilon, order, natural, signal } = pass;
  const delta = { shape: pass.delta.shape, data: pass.delta.data.slice() };
  const zero = new Float32Array(sizeOf(delta.shape));
  for (const i of order) {
    const at = added(rows(images, i, i + 1), delta);
    const label = natural[i]!;
    // What is fooled already comes back as it was.
    const { adversarial, success } = await perturb(classifier, deepFool({ norm: 'l2', steps: 10 }), {
      images: at,
      labels: [label],
      signal,
    });
    if (success[0] !== 1) continue;
    for (let p = 0; p < zero.length; p++) delta.data[p]! += adversarial.data[p]! - at.data[p]!;
    if (norm === 'linf')
      for (let p = 0; p < zero.length; p++) delta.data[p] = Math.min(epsilon, Math.max(-epsilon, delta.data[p]!));
    else balls.l2.pullIn(delta.data, zero, epsilon);
  }
  return delta;
}
