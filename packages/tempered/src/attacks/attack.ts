/** @file Attacks as plain data: `fgsm` and `pgd` describe one, `perturb` runs it. */
import { type Classifier, checkImages } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import { balls, type Norm } from '../optimize/ball.ts';
import { checkEpsilon, checkLabels, checkPixels, optimizeInput } from '../optimize/optimize-input.ts';
import type { Work } from '../progress.ts';
import { rows, type Tensor } from '../tensor.ts';

/** A description of a gradient attack; JSON-serialisable. All lengths are in pixel units ([0, 1] images). */
export interface Attack {
  readonly name: 'fgsm' | 'pgd';
  readonly norm: Norm;
  readonly steps: number;
  /** Length of a step, or `relative` times ε. */
  readonly stepSize: { readonly absolute: number } | { readonly relative: number };
  readonly randomStart: boolean;
  readonly restarts: number;
  readonly loss: 'cross-entropy' | 'margin';
  /** Return the last iterate, or of all that were seen the worst for the classifier. */
  readonly keep: 'last' | 'worst';
  /** Drive the image toward the labels given to `perturb` instead of away from them. */
  readonly targeted: boolean;
}

export interface FgsmOptions {
  norm?: Norm;
  loss?: Attack['loss'];
  targeted?: boolean;
}

/** Fast gradient sign method: one step of length ε. Goodfellow et al. 2015, §4; with l2, the normalised gradient. */
export function fgsm({ norm = 'linf', loss = 'cross-entropy', targeted = false }: FgsmOptions = {}): Attack {
  return {
    name: 'fgsm',
    norm,
    steps: 1,
    stepSize: { relative: 1 },
    randomStart: false,
    restarts: 1,
    loss,
    keep: 'last',
    targeted,
  };
}

export interface PgdOptions extends FgsmOptions {
  /** Default 20. */
  steps?: number;
  /** In pixel units. Default 2.5 ε / steps, which can cross the ball and leaves room to move along its surface. */
  stepSize?: number;
  /** Default true. */
  randomStart?: boolean;
  /** Default 1. */
  restarts?: number;
  /** Default `'last'`, as in the papers; `'worst'` is never weaker. */
  keep?: Attack['keep'];
}

/** Projected gradient descent. Madry et al. 2018, §2.1. */
export function pgd({
  norm = 'linf',
  loss = 'cross-entropy',
  targeted = false,
  steps = 20,
  stepSize,
  randomStart = true,
  restarts = 1,
  keep = 'last',
}: PgdOptions = {}): Attack {
  return {
    name: 'pgd',
    norm,
    steps,
    stepSize: stepSize === undefined ? { relative: 2.5 / Math.max(1, steps) } : { absolute: stepSize },
    randomStart,
    restarts,
    loss,
    keep,
    targeted,
  };
}

/** Length of a step at ε, in pixel units. */
export function stepSizeAt({ stepSize }: Attack, epsilon: number): number {
  return 'absolute' in stepSize ? stepSize.absolute : stepSize.relative * epsilon;
}

export interface PerturbOptions extends Work {
  /** [N, C, H, W] in [0, 1]. */
  images: Tensor;
  /** True classes, or the target classes of a targeted attack. */
  labels: ArrayLike<number>;
  /** Radius of the ball, in pixel units. */
  epsilon: number;
  seed?: number;
  /** Number of each image in its data set, so that results do not depend on how a set is cut. Default 0, 1, 2 ... */
  imageNumbers?: ArrayLike<number>;
  batchSize?: number;
}

export interface Perturbed {
  readonly adversarial: Tensor;
  /** Whether a fresh forward pass of the returned images misses the label (or, targeted, hits it), [N]. */
  readonly success: Uint8Array;
  /** Prediction of that pass, [N]. */
  readonly predictions: Int32Array;
  /** Length of each perturbation under the attack's norm, in double precision, [N]. */
  readonly distance: Float64Array;
  /** How many images had a gradient of exactly 0 where the attack started: a saturated loss; `loss: 'margin'` helps. */
  readonly zeroGradients: number;
  readonly forwards: number;
  readonly gradients: number;
}

/**
 * Attacks images. ε = 0 returns them unchanged.
 *
 * @throws UsageError when ε is negative, images or labels do not fit the classifier, or pixels lie outside [0, 1]; DataError
 *   when the classifier's logits are not finite
 * @example
 * const { success } = await perturb(classifier, pgd({ steps: 40 }), { images, labels, epsilon: 0.3 });
 */
export async function perturb(classifier: Classifier, attack: Attack, options: PerturbOptions): Promise<Perturbed> {
  const { images, labels, epsilon, batchSize, imageNumbers, signal } = options;
  checkImages(classifier, images);
  checkPixels(images, imageNumbers);
  checkEpsilon(epsilon);
  checkLabels(classifier, labels, images.shape[0]!);
  const { adversarial, zeroGradients, forwards, gradients } = await search(classifier, attack, options);
  const predictions = await predict(classifier, adversarial, { batchSize, imageNumbers, signal });
  const count = images.shape[0]!;
  const distance = Float64Array.from({ length: count }, (_, i) =>
    balls[attack.norm].distance(rows(adversarial, i, i + 1).data, rows(images, i, i + 1).data),
  );
  const success = Uint8Array.from(predictions, (k, i) => Number((k === labels[i]) === attack.targeted));
  return { adversarial, success, predictions, distance, zeroGradients, forwards: forwards + count, gradients };
}

async function search(classifier: Classifier, attack: Attack, options: PerturbOptions) {
  const { images, epsilon } = options;
  if (epsilon === 0)
    return { adversarial: { ...images, data: images.data.slice() }, zeroGradients: 0, forwards: 0, gradients: 0 };
  const {
    images: adversarial,
    zeroGradients,
    forwards,
    gradients,
  } = await optimizeInput(classifier, {
    ...options,
    goal: attack.targeted ? 'toward' : 'away',
    objective: attack.loss,
    norm: attack.norm,
    stepSize: stepSizeAt(attack, epsilon),
    steps: attack.steps,
    randomStart: attack.randomStart,
    restarts: attack.restarts,
    keep: attack.keep,
  });
  return { adversarial, zeroGradients, forwards, gradients };
}
