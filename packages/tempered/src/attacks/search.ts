/** @file What an attack is given, and what it gives back. */
import type { Classifier } from '../models/classifier.ts';
import type { Work } from '../progress.ts';
import type { Tensor } from '../tensor.ts';
import type { Attack } from './attack.ts';

/** Images to attack. Checked: images fit the classifier and lie in [0, 1], labels and targets are classes of it. */
export interface Task extends Work {
  /** Whose predictions and gradients the attack may ask for. */
  readonly classifier: Classifier;
  /** Who decides whether an image is adversarial: another model than `classifier` in transfer attacks and repairs. */
  readonly judge: Classifier;
  /** [N, C, H, W] in [0, 1]. */
  readonly images: Tensor;
  /** True classes, [N]. */
  readonly labels: Int32Array;
  /** Classes to reach, [N]; without them, any class but the true one will do. */
  readonly targets?: Int32Array;
  /** Radius of the ball of each image, above 0, [N]; without it, the perturbation is to be as small as possible. */
  readonly epsilon?: Float64Array;
  readonly seed: number;
  /** Counts repetitions of the attack on the same images: part of every random stream. */
  readonly restart: number;
  /** Number of each image in its data set: random streams depend on (seed, image number, restart) alone. */
  readonly imageNumbers: ArrayLike<number>;
  readonly batchSize: number;
}

export interface Found {
  /** [N, C, H, W] in [0, 1]; an image for which nothing was found is returned as it was, or as near as the attack came. */
  readonly adversarial: Tensor;
  /** Images whose gradient was exactly 0 where the attack started: a saturated loss; attacks without gradients say 0. */
  readonly zeroGradients: number;
  /** Forward passes and gradients spent, counted per image. */
  readonly forwards: number;
  readonly gradients: number;
}

/** What was found, judged by a fresh forward pass. */
export interface Verified extends Found {
  /** Whether the judge's prediction misses the label (or, with targets, hits them) inside the ball, [N]. */
  readonly success: Uint8Array;
  /** The judge's predictions, [N]. */
  readonly predictions: Int32Array;
  /** How many classes the judge ranks above the true one: 0 where it is right, below k where the true class is among its k first, [N]. */
  readonly rank: Int32Array;
  /** Length of each perturbation under the attack's norm (l2 for attacks without one), in double precision, [N]. */
  readonly distance: Float64Array;
}

/** Runs one kind of attack. `run` runs any attack and judges what it found: how combinators call what they combine. */
export type Search<A> = (task: Task, attack: A, run: Run) => Promise<Found>;

export type Run = (task: Task, attack: Attack) => Promise<Verified>;
