/** @file What a study found, as plain JSON: written by the study command, read by the report. */

import type { Outline } from '../image/mask-outline.ts';

export type ModelName = 'standard' | 'robust';

/** The order of the models everywhere. */
export const MODEL_NAMES: readonly ModelName[] = ['standard', 'robust'];

/** A picture as a data URI (PNG or WebP), at its natural size; the page enlarges it without smoothing. */
export type Picture = string;

/** A share in [0, 1] with its 95 % interval. */
export interface AccuracyResult {
  readonly correct: number;
  readonly count: number;
  readonly accuracy: number;
  readonly lower: number;
  readonly upper: number;
}

export interface AccuracyAtEpsilon extends AccuracyResult {
  /** In pixel units; 0 is the unmodified image. */
  readonly epsilon: number;
}

export interface EpochResult {
  /** From 1. */
  readonly epoch: number;
  readonly loss: number;
  /** On held-out images, in [0, 1]; absent when it was not measured in this epoch. */
  readonly naturalAccuracy?: number;
  readonly robustAccuracy?: number;
  readonly learningRate: number;
  readonly seconds: number;
}

export interface AttributionResult {
  /** "Gradient", "SmoothGrad", "Integrated gradients": the same names and order for both models. */
  readonly method: string;
  /** Share of |attribution| inside the object, mean over images; absent when the data has no masks. */
  readonly relevanceMass?: { readonly mean: number; readonly lower: number; readonly upper: number };
  /** How often the largest |attribution| lies inside the object. */
  readonly pointingGame?: {
    readonly hits: number;
    readonly count: number;
    readonly accuracy: number;
    readonly lower: number;
    readonly upper: number;
  };
}

export interface ModelResult {
  /** How it was trained, one sentence without the full stop: "PGD-7 adversarial training at 8/255". */
  readonly description: string;
  readonly parameterCount: number;
  readonly history: readonly EpochResult[];
  /** Sorted by ε. */
  readonly underAttack: readonly AccuracyAtEpsilon[];
  readonly natural: AccuracyResult;
  /** Accuracy where a planted non-robust feature disagrees with the label; absent when the data has none. */
  readonly conflict?: AccuracyResult;
  readonly attributions: readonly AttributionResult[];
  /** Of integrated gradients: Σ |sum of attributions − difference of outputs| ÷ Σ |difference of outputs|, over the images. */
  readonly completenessError?: { readonly relative: number; readonly steps: number };
}

export interface Prediction {
  readonly label: string;
  /** In [0, 1]. */
  readonly probability: number;
}

/** Of the logit of the true class, which is also the predicted one: only images that both models get right are shown. */
export interface AttributionExample {
  readonly method: string;
  readonly picture: Picture;
  /** The magnitude of the strongest colour. */
  readonly clip: number;
  /** Positive mass as a share of all mass; absent for an attribution of zero. */
  readonly positiveShare?: number;
}

export interface ModelExample {
  readonly prediction: Prediction;
  readonly adversarial: { readonly picture: Picture; readonly prediction: Prediction };
  readonly perturbation: Picture;
  readonly attributions: readonly AttributionExample[];
}

export interface ExampleResult {
  readonly label: string;
  readonly picture: Picture;
  /** The object's border, drawn over image and attributions. */
  readonly outline?: Outline;
  readonly models: Readonly<Record<ModelName, ModelExample>>;
}

export interface LargeEpsilonResult {
  readonly norm: string;
  readonly epsilon: number;
  readonly steps: number;
  readonly examples: readonly {
    readonly label: string;
    readonly target: string;
    readonly picture: Picture;
    readonly models: Readonly<Record<ModelName, { readonly picture: Picture; readonly prediction: Prediction }>>;
  }[];
}

export interface TraversalResult {
  /** Class of the image it starts from. */
  readonly label: string;
  readonly target: string;
  readonly steps: number;
  /** How far the image may move, when it is bounded: "an ℓ₂ ball of radius 8". */
  readonly bound?: string;
  readonly models: Readonly<
    Record<
      ModelName,
      {
        /** Animated WebP. */
        readonly animation: Picture;
        /** About eight, evenly spaced, the first and the last among them. */
        readonly frames: readonly { readonly step: number; readonly picture: Picture }[];
        readonly history: readonly { readonly step: number; readonly logit: number; readonly probability: number }[];
      }
    >
  >;
}

export interface StudyResult {
  readonly title: string;
  readonly dataset: {
    readonly name: string;
    /** What a reader should know of it, one or two sentences. */
    readonly note: string;
    readonly classes: readonly string[];
    /** [C, H, W] */
    readonly shape: readonly number[];
    readonly trainCount: number;
    readonly testCount: number;
    /** Mean share of the image that the object covers: the relevance mass of an attribution that is blind. */
    readonly objectShare?: number;
  };
  readonly preset: string;
  readonly seed: number;
  /** The attack under which accuracy was measured. */
  readonly attack: {
    /** "PGD-20" */
    readonly name: string;
    readonly norm: string;
    /** The ε that the robust model was trained at. */
    readonly trainingEpsilon: number;
  };
  readonly models: Readonly<Record<ModelName, ModelResult>>;
  /** The ε of the adversarial examples, and by how much their perturbation is enlarged in the pictures. */
  readonly exampleAttack: { readonly epsilon: number; readonly amplify: number };
  readonly examples: readonly ExampleResult[];
  readonly largeEpsilon?: LargeEpsilonResult;
  readonly traversal?: TraversalResult;
  /** Settings in the order to be shown. */
  readonly protocol: readonly { readonly name: string; readonly value: string }[];
  readonly versions: Readonly<Record<string, string>>;
}
