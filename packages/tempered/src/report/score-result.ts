/** @file Measures of explanations, as plain JSON: written by the score command, read by its report. */
import type { Proportion } from '../evaluation/accuracy.ts';
import type { Control } from '../evaluation/explanations/control.ts';
import type { Estimate } from '../evaluation/explanations/estimate.ts';
import type { Lead } from '../evaluation/explanations/lead.ts';

export interface ScoreResult {
  readonly dataset: { readonly name: string; readonly split: string; readonly count: number; readonly note?: string };
  readonly models: readonly ScoredModel[];
  readonly methods: readonly ScoredMethod[];
  readonly measures: readonly ScoredMeasure[];
  /** One a model and method. */
  readonly rows: readonly ScoreRow[];
  readonly protocol: readonly { readonly name: string; readonly value: string }[];
  readonly versions: Readonly<Record<string, string>>;
}

export interface ScoredModel {
  /** Tells the models apart. */
  readonly name: string;
  readonly file: string;
  /** On the images that were explained. */
  readonly accuracy: Proportion;
}

export interface ScoredMethod {
  /** As it was asked for. */
  readonly name: string;
  /** With every setting. */
  readonly settings: string;
  readonly ranking: 'signed' | 'magnitude';
  readonly scale: 'local' | 'global';
}

export interface ScoredMeasure {
  /** As it was asked for. */
  readonly name: string;
  readonly summary: string;
  readonly better: 'higher' | 'lower';
  /** Whether a better score is that of a map that is more right, rather than steadier, sparser ... */
  readonly ofTruth: boolean;
  /** Whether scores of different models compare. */
  readonly acrossModels: boolean;
  /** What stands for all images. */
  readonly over: 'mean' | 'median' | 'share';
  /** How it was measured, with every setting. */
  readonly protocol: string;
  /** Left out where it was not asked for. */
  readonly control?: Control;
}

export interface ScoreRow {
  /** Names of the model and the method. */
  readonly model: string;
  readonly method: string;
  /** Passes through the network and time for the maps themselves. */
  readonly forwards: number;
  readonly backwards: number;
  readonly seconds: number;
  readonly scores: readonly MeasuredScore[];
}

export interface MeasuredScore extends Estimate {
  readonly measure: string;
  /** Over random maps of the same model, where those were asked for. */
  readonly overRandom?: Lead;
}

/** The score of a model's method by a measure; undefined where the measure does not apply to the method. */
export const scoreOf = ({ scores }: ScoreRow, { name }: ScoredMeasure): MeasuredScore | undefined =>
  scores.find(({ measure }) => measure === name);

/** Whether a measure has proved itself: null where its control could not tell, undefined where there was none. */
export const isFit = ({ control }: ScoredMeasure): boolean | null | undefined => control?.fit;
