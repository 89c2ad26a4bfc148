/** @file Every measure of explanations by name, and by name and settings: measures are plain data made by the functions beside this file. */
import {
  anyNumber,
  count,
  type Entry,
  entry,
  findAll,
  nonNegative,
  oneOf,
  type Setting,
  share,
  yesOrNo,
} from '../../attribution/settings.ts';
import { type ImageCosine, imageCosine, imageCosineKind } from './alignment.ts';
import { type AttackStabilityMeasure, attackStabilityKind, stabilityUnderAttack } from './attack-stability.ts';
import {
  type AverageDrop,
  type AverageGain,
  type AverageIncrease,
  averageDrop,
  averageDropKind,
  averageGain,
  averageGainKind,
  averageIncrease,
  averageIncreaseKind,
} from './average-drop.ts';
import { type CompletenessMeasure, completeness, completenessKind } from './completeness.ts';
import {
  type Complexity,
  complexity,
  complexityKind,
  type Sparseness,
  sparseness,
  sparsenessKind,
} from './concentration.ts';
import { FILLS } from './fill.ts';
import { type Infidelity, infidelity, infidelityKind, SCALINGS } from './infidelity.ts';
import {
  type Deletion,
  deletion,
  deletionKind,
  type Insertion,
  insertion,
  insertionKind,
} from './insertion-deletion.ts';
import {
  type LocalizationAuc,
  localizationAuc,
  localizationAucKind,
  type PointingGame,
  pointingGame,
  pointingGameKind,
  type RelevanceMass,
  type RelevanceRank,
  relevanceMass,
  relevanceMassKind,
  relevanceRank,
  relevanceRankKind,
  type TopKIntersection,
  topKIntersection,
  topKIntersectionKind,
} from './localization.ts';
import { SIMILARITIES } from './map-similarity.ts';
import { type MaxSensitivity, maxSensitivity, maxSensitivityKind } from './max-sensitivity.ts';
import type { MeasureKind } from './measure.ts';
import {
  type DependenceOnParameters,
  dependenceOnParameters,
  dependenceOnParametersKind,
  REDRAWS,
} from './parameter-randomisation.ts';
import { ORDERS, type PixelFlipping, pixelFlipping, pixelFlippingKind } from './pixel-flipping.ts';
import { WATCHED } from './replacement.ts';
import { type Road, road, roadKind } from './road.ts';

/** A description of a measure of explanations. */
export type ExplanationMeasure =
  | Deletion
  | Insertion
  | PixelFlipping
  | Road
  | AverageDrop
  | AverageIncrease
  | AverageGain
  | Infidelity
  | MaxSensitivity
  | PointingGame
  | RelevanceMass
  | RelevanceRank
  | LocalizationAuc
  | TopKIntersection
  | Sparseness
  | Complexity
  | CompletenessMeasure
  | AttackStabilityMeasure
  | DependenceOnParameters
  | ImageCosine;

type Named<Name> = Extract<ExplanationMeasure, { name: Name }>;

const kinds: { readonly [Name in ExplanationMeasure['name']]: MeasureKind<Named<Name>> } = {
  deletion: deletionKind,
  insertion: insertionKind,
  'pixel-flipping': pixelFlippingKind,
  road: roadKind,
  'average-drop': averageDropKind,
  'average-increase': averageIncreaseKind,
  'average-gain': averageGainKind,
  infidelity: infidelityKind,
  'max-sensitivity': maxSensitivityKind,
  'pointing-game': pointingGameKind,
  'relevance-mass': relevanceMassKind,
  'relevance-rank': relevanceRankKind,
  'localization-auc': localizationAucKind,
  'top-k-intersection': topKIntersectionKind,
  sparseness: sparsenessKind,
  complexity: complexityKind,
  completeness: completenessKind,
  'attack-stability': attackStabilityKind,
  'parameter-randomisation': dependenceOnParametersKind,
  'image-cosine': imageCosineKind,
};

/** How a measure is taken and read. */
export function kindOf(measure: ExplanationMeasure): MeasureKind<ExplanationMeasure> {
  // The table is typed by name; TypeScript loses the tie between a name and its measure here.
  return kinds[measure.name] as MeasureKind<ExplanationMeasure>;
}

const fill = oneOf(...FILLS);
const of = oneOf(...WATCHED);
const order = oneOf(...ORDERS);
const by = oneOf(...SIMILARITIES);
const curve = { step: share, fill, of };

const shares: Setting<readonly number[]> = {
  values: 'shares apart by +, such as 0.1+0.5+0.9',
  read: (text) => {
    const values = text.split('+').map((part) => anyNumber.read(part));
    return values.every((value) => value !== undefined) ? values : undefined;
  },
};

type Make = Parameters<typeof entry<ExplanationMeasure, Readonly<Record<string, never>>>>[0]['make'];

const named = (name: ExplanationMeasure['name'], make: Make) => entry({ summary: kinds[name].summary, make });

/** The measures by the names that users write. */
export const measureCatalogue: Readonly<Record<ExplanationMeasure['name'], Entry<ExplanationMeasure>>> = {
  deletion: entry({ summary: deletionKind.summary, settings: curve, make: deletion }),
  insertion: entry({ summary: insertionKind.summary, settings: curve, make: insertion }),
  'pixel-flipping': entry({
    summary: pixelFlippingKind.summary,
    aliases: ['region-perturbation', 'aopc'],
    settings: { ...curve, order, region: count, until: share },
    make: pixelFlipping,
  }),
  road: entry({
    summary: roadKind.summary,
    settings: { order, shares, noise: nonNegative, of: oneOf('accuracy', 'probability') },
    make: road,
  }),
  'average-drop': named('average-drop', averageDrop),
  'average-increase': named('average-increase', averageIncrease),
  'average-gain': named('average-gain', averageGain),
  infidelity: entry({
    summary: infidelityKind.summary,
    settings: {
      perturbation: oneOf('square', 'gaussian'),
      samples: count,
      sigma: nonNegative,
      scaling: oneOf(...SCALINGS),
      relative: yesOrNo,
      of,
    },
    make: infidelity,
  }),
  'max-sensitivity': entry({
    summary: maxSensitivityKind.summary,
    aliases: ['sensitivity-max'],
    settings: { radius: nonNegative, samples: count },
    make: maxSensitivity,
  }),
  'pointing-game': named('pointing-game', pointingGame),
  'relevance-mass': named('relevance-mass', relevanceMass),
  'relevance-rank': named('relevance-rank', relevanceRank),
  'localization-auc': named('localization-auc', localizationAuc),
  'top-k-intersection': entry({
    summary: topKIntersectionKind.summary,
    settings: { k: count },
    make: topKIntersection,
  }),
  sparseness: named('sparseness', sparseness),
  complexity: named('complexity', complexity),
  completeness: named('completeness', completeness),
  'attack-stability': entry({
    summary: attackStabilityKind.summary,
    settings: { epsilon: nonNegative, steps: count, norm: oneOf('linf', 'l2'), by },
    make: stabilityUnderAttack,
  }),
  'parameter-randomisation': entry({
    summary: dependenceOnParametersKind.summary,
    aliases: ['mprt'],
    settings: { redraw: oneOf(...REDRAWS), by },
    make: dependenceOnParameters,
  }),
  'image-cosine': named('image-cosine', imageCosine),
};

export interface NamedMeasure {
  /** As it was written. */
  readonly text: string;
  readonly measure: ExplanationMeasure;
}

/**
 * The measures that a list asks for: `deletion:step=0.1,road,sparseness`.
 *
 * @throws UsageError for a name, setting or value that there is not
 */
export const measuresFrom = (list: string): NamedMeasure[] =>
  findAll(measureCatalogue, 'measure', list).map(({ text, entry, settings }) => ({
    text,
    measure: entry.make(settings),
  }));
