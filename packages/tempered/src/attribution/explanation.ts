/** @file What a method of attribution is given, and what it returns. */
import type { Classifier } from '../models/classifier.ts';
import type { Work } from '../progress.ts';
import type { Tensor } from '../tensor.ts';
import type { AttributionMethod } from './attribute.ts';
import type { Explained } from './explained.ts';
import type { OnePass } from './one-pass.ts';

/** Images to explain, checked, with every default filled in. */
export interface Task extends Work {
  readonly classifier: Classifier;
  /** [N, ...input shape]. */
  readonly images: Tensor;
  readonly of: Explained;
  /** The class explained, [N]; 0 where a unit is explained. */
  readonly targets: Int32Array;
  /** [N, K]: a one at the class explained, a minus one at the class it is compared with. */
  readonly targetRows: Tensor;
  /** Value of the ONNX file whose elements get the attributions, for methods that can; otherwise the input's do. */
  readonly layer?: string;
  readonly seed: number;
  /** Randomness depends on (seed, image number) alone. */
  readonly imageNumbers: ArrayLike<number>;
  /** Images in one run. */
  readonly batchSize: number;
  /** Counted up by whoever runs a program. */
  readonly cost: Cost;
}

/** Passes through the network, one an image; a gradient is a forward and a backward pass. */
export interface Cost {
  forwards: number;
  backwards: number;
}

export interface Explanation {
  /** Shape of the images, of one channel [N, 1, H, W] where the method tells places apart but not channels, or of the layer [N, ...]; signed, unscaled. */
  readonly attributions: Tensor;
  /** What is explained, at each image, [N]. */
  readonly output: Float32Array;
  /** What is explained, at each image's baseline, for methods that have one, [N]. */
  readonly baseOutput?: Float32Array;
  readonly certificate?: Certificate;
  /** Where each element shows the number of its whole feature: how many elements that feature has, of the attributions' shape. */
  readonly featureSizes?: Tensor;
  /** The layer that the method looked at, where it chose one itself. */
  readonly layer?: string;
}

/** What a method promises, and how far off it is. One entry an image. */
export interface Certificate {
  /** The attributions should add up to this difference: completeness of integrated gradients, DeepLIFT and Shapley values, conservation of LRP. */
  readonly completeness?: readonly Completeness[];
  /** LRP: relevance that did not arrive, by the node where it was lost, largest first; each a share of the output. */
  readonly lost?: readonly (readonly LostRelevance[])[];
  /** Points on the path of integrated gradients. */
  readonly points?: readonly number[];
  /**
   * Adaptive integrated gradients: largest change of an element of the mean gradient when points were last added, over the
   * largest |element|. Of other rules there is none; where they have completeness, that alone bounds their error.
   */
  readonly quadratureError?: readonly number[];
  /** Monte Carlo: root mean square of the attributions' standard errors, over the largest |attribution|. */
  readonly standardError?: readonly number[];
  /** LIME: weighted R² of the linear model, 1 where it explains everything. */
  readonly fit?: readonly number[];
}

/** Σ attributions = difference (Sundararajan et al. 2017, proposition 1). */
export interface Completeness {
  readonly sum: number;
  readonly difference: number;
  /** |sum − difference|. */
  readonly error: number;
  /** error / |difference|; 0 where the error is no more than the attributions' rounding to single precision. */
  readonly relativeError: number;
}

export interface LostRelevance {
  readonly node: string;
  readonly share: number;
}

/** The method of one attribution. */
export type Explain<Method> = (task: Task, method: Method, methods: Methods) => Promise<Explanation>;

/** What a method that is built around another one needs of the registry. */
export interface Methods {
  explain(task: Task, method: AttributionMethod): Promise<Explanation>;
  /** The method as one program, if it is one. */
  onePass(method: AttributionMethod, task: Task): OnePass | undefined;
}

/** The sum of each image's attributions against what it should be. */
export function completenessOf({ shape, data }: Tensor, differences: ArrayLike<number>): Completeness[] {
  const size = data.length / shape[0]!;
  return Array.from({ length: shape[0]! }, (_, i) =>
    completenessOfImage(data.subarray(i * size, (i + 1) * size), differences[i]!),
  );
}

/** Each attribution is rounded to single precision: an error of that size cannot be told from none. */
function completenessOfImage(attributions: Float32Array, difference: number): Completeness {
  let [sum, magnitude] = [0, 0];
  for (const value of attributions) {
    sum += value;
    magnitude += Math.abs(value);
  }
  return completeness(sum, difference, 2 ** -24 * magnitude);
}

/** A sum of attributions against what it should be; what is at most `rounding` counts as no relative error. */
export function completeness(sum: number, difference: number, rounding = 0): Completeness {
  const error = Math.abs(sum - difference);
  return { sum, difference, error, relativeError: error <= rounding ? 0 : error / Math.abs(difference) };
}
