/** @file What a measure of explanations is given, and what it returns. */
import type { MapReading } from '../../attribution/catalogue.ts';
import type { Completeness } from '../../attribution/explanation.ts';
import type { Classifier } from '../../models/classifier.ts';
import type { Work } from '../../progress.ts';
import type { Tensor } from '../../tensor.ts';

/** Maps to measure, of one method and one model. */
export interface MeasureTask extends Work, MapReading {
  readonly classifier: Classifier;
  /** [N, C, H, W]. */
  readonly images: Tensor;
  /** The class explained, [N]. */
  readonly targets: Int32Array;
  /** [N, C, H, W], or [N, 1, H, W] for methods whose maps have no channels. */
  readonly attributions: Tensor;
  /** How many pixels have the number of each pixel's feature, of the attributions' shape, where they show that of a whole feature. */
  readonly featureSizes?: Tensor;
  /** Where the object is, [N, 1, H, W] of 0 and 1. */
  readonly masks?: Tensor;
  /** What the method's attributions add up to, and what they should. */
  readonly completeness?: readonly Completeness[];
  /** Explains other images in place of these, or these on another model; the same classes. */
  readonly explain?: (images: Tensor, on?: Classifier) => Promise<Tensor>;
  readonly seed: number;
  /** Randomness depends on (seed, image number) alone. */
  readonly imageNumbers: ArrayLike<number>;
  readonly batchSize: number;
}

/** What a measure needs beside images and maps. */
export type Need = 'masks' | 'completeness' | 'explain';

/** What planted maps the control of a measure compares; see `control.ts`. */
export type ControlKind =
  | 'object'
  | 'shares'
  | 'slope'
  | 'concentration'
  | 'completeness'
  | 'stability'
  | 'dependence'
  | 'image';

/** A measure: how it is taken, and what its number means. */
export interface MeasureKind<Measure> {
  readonly summary: string;
  /** One number an image, [N]; NaN where the measure is not defined. */
  score(task: MeasureTask, measure: Measure): Promise<Float64Array>;
  /** Which way is better. */
  better(measure: Measure): 'higher' | 'lower';
  /** What stands for all images. A share is the mean of zeros and ones. */
  readonly over: 'mean' | 'median' | 'share';
  readonly needs: readonly Need[];
  /** Whether scores of different models compare: not where they hang on how sure a model is of its classes. */
  acrossModels(measure: Measure): boolean;
  control(measure: Measure): ControlKind;
  /** How it was measured, in a sentence, with every setting. */
  protocol(measure: Measure): string;
}
