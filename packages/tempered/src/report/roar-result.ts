/** @file What a study of ROAR and KAR found, as plain JSON: written by `tempered roar`, read by its report. */
import type { Mode } from '../evaluation/roar/bands.ts';
import type { Picture } from './study-result.ts';

/** Norms of the attacks in training. */
export const ROAR_NORMS = ['l2', 'linf'] as const;
export type RoarNorm = (typeof ROAR_NORMS)[number];

/** Losses that the attacks in training raise: cross-entropy, and the margin as Kim et al. 2019 wrote it. */
export const ROAR_LOSSES = ['xent', 'cw'] as const;
export type RoarLoss = (typeof ROAR_LOSSES)[number];

/** Maps that are scored: |∇| and input × ∇ of the cross-entropy at the predicted class. */
export const ROAR_METHODS = ['saliency', 'gradient-times-input'] as const;
export type RoarMethod = (typeof ROAR_METHODS)[number];

/** The protocol of Kim et al. 2019 to the letter, and one without its confounders. */
export const ROAR_PROTOCOLS = ['published', 'repaired'] as const;
export type RoarProtocol = (typeof ROAR_PROTOCOLS)[number];

/** What scores are held against. */
export const ROAR_AXES = ['strength', 'testAccuracy', 'trainAccuracy', 'adversarialAccuracy'] as const;
export type RoarAxis = (typeof ROAR_AXES)[number];

/** A model that is explained. Accuracies are in [0, 1]. */
export interface RoarModel {
  /** `standard`, or norm, loss and place among the radii: `l2-xent-3`. */
  readonly name: string;
  /** Undefined for the standard model. */
  readonly norm?: RoarNorm;
  readonly loss?: RoarLoss;
  /** Radius of the adversarial training in pixel units. */
  readonly epsilon: number;
  /** Radius as a share of the largest of its norm. */
  readonly strength: number;
  /** On the images it was trained on, as they are. */
  readonly trainAccuracy: number;
  readonly testAccuracy: number;
  readonly adversarialAccuracy: number;
}

/** Pixels of a model's maps of the test images that the maps do not rank; shares in [0, 1]. */
export interface Unranked {
  readonly model: string;
  readonly method: RoarMethod;
  /** Exactly 0: chance puts them in order, under both protocols. */
  readonly ties: number;
  /** Above 0, but smaller than the noise by which the published protocol breaks ties: there, the noise ranks them. */
  readonly drowned: number;
}

/** Accuracies of the networks trained for one point, by repetition. */
export interface OccludedAccuracy {
  readonly mode: Mode;
  readonly method: RoarMethod | 'random';
  /** Whose map it is; the standard model stands beside random masks, which need none. */
  readonly model: string;
  readonly percentile: number;
  readonly values: readonly number[];
}

export interface RoarScore {
  readonly mode: Mode;
  readonly method: RoarMethod;
  readonly model: string;
  readonly mean: number;
  readonly byRepetition: readonly number[];
  /** Student's 95 % interval over the repetitions; of the repaired protocol, with three seeds or more that differ. */
  readonly lower?: number;
  readonly upper?: number;
}

/** Scores of the models of one norm and loss against another number of theirs. */
export interface RoarSeries {
  readonly mode: Mode;
  readonly loss: RoarLoss;
  readonly norm: RoarNorm;
  readonly method: RoarMethod;
  readonly against: RoarAxis;
  /** The standard model first, then by radius. */
  readonly models: readonly string[];
  readonly x: readonly number[];
  /** Mean scores. */
  readonly y: readonly number[];
  /** Null of fewer than 3 models, and where all scores, or all x, are equal. */
  readonly pearson: number | null;
  readonly spearman: number | null;
  /** 95 % of Pearson's correlations when seeds are drawn anew; of the repaired protocol, with five seeds or more. */
  readonly interval?: { readonly lower: number; readonly upper: number };
  /** Least squares; null of fewer than 3 models, and where all x are equal. */
  readonly slope: number | null;
  readonly intercept: number | null;
}

export interface ProtocolResult {
  readonly name: RoarProtocol;
  /** Trainings for each point. */
  readonly repetitions: number;
  /** On whole images: the standard model's own accuracy, or that of networks trained like the others, by seed. */
  readonly unoccluded: readonly number[];
  /** On images of which nothing is left: one over the classes, or that of networks trained on them, by seed. */
  readonly chance: readonly number[];
  readonly accuracies: readonly OccludedAccuracy[];
  readonly scores: readonly RoarScore[];
  readonly series: readonly RoarSeries[];
}

/** Images of the test set, as they are and occluded by the map of one model. */
export interface RoarSample {
  readonly label: string;
  readonly image: Picture;
  readonly rows: readonly {
    readonly model: string;
    /** Undefined where chance takes its place. */
    readonly map?: Picture;
    readonly occluded: readonly { readonly mode: Mode; readonly percentile: number; readonly picture: Picture }[];
  }[];
}

export interface RoarClaim {
  /** As in the list of claims: R000-c. */
  readonly id: string;
  readonly claim: string;
  readonly protocol: RoarProtocol;
  readonly loss: RoarLoss;
  readonly outcome: 'holds' | 'holds in part' | 'does not hold' | 'not measured';
  /** The numbers it rests on. */
  readonly found: string;
}

export interface RoarResult {
  readonly title: string;
  readonly dataset: {
    readonly name: string;
    readonly note: string;
    readonly classes: readonly string[];
    readonly shape: readonly number[];
    readonly trainCount: number;
    readonly testCount: number;
  };
  readonly seed: number;
  /** Networks trained on occluded images. */
  readonly trainings: number;
  /** Of the models that are explained, and of the networks that are trained on occluded images. */
  readonly epochs: { readonly models: number; readonly retrained: number };
  readonly models: readonly RoarModel[];
  readonly unranked: readonly Unranked[];
  readonly protocols: readonly ProtocolResult[];
  readonly claims: readonly RoarClaim[];
  readonly samples: {
    readonly method: RoarMethod;
    readonly protocol: RoarProtocol;
    readonly images: readonly RoarSample[];
  };
  /** How it was done, in words. */
  readonly protocol: readonly { readonly name: string; readonly value: string }[];
  readonly versions: Readonly<Record<string, string>>;
}
