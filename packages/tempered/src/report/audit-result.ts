/** @file What an audit found, as plain JSON: written by the audit command, read by its report. */
import type { HonestyCheck } from '../evaluation/honesty/check.ts';
import type { EvaluationSummary } from '../evaluation/summary.ts';
import type { AttributionExample, Picture, Prediction } from './study-result.ts';

export interface AuditResult {
  readonly model: {
    readonly name: string;
    readonly file: string;
    readonly parameterCount: number;
    /** [C, H, W] */
    readonly inputShape: readonly number[];
    readonly classes: readonly string[];
    /** Operators by how often they occur, the most frequent first. */
    readonly operators: readonly { readonly op: string; readonly count: number }[];
    /** What is done with pixels before the first layer, in words. */
    readonly preprocessing: string;
  };
  readonly dataset: { readonly name: string; readonly split: string; readonly count: number; readonly note?: string };
  /** Of the balls that attacks keep to, or the attack whose strength ε is. */
  readonly norm: string;
  /** By the name they have in the evaluation: in words. */
  readonly attacks: Readonly<Record<string, string>>;
  /** The worst case over the attacks, with those on a repaired form of the model where one was needed. */
  readonly evaluation: EvaluationSummary;
  /** What hides the model's weak points from gradient attacks and what was done about it; empty for most models. */
  readonly masks: readonly string[];
  readonly checks: readonly HonestyCheck[];
  /** The attack that made the adversarial examples, its ε, and by how much perturbations are enlarged in the pictures. */
  readonly exampleAttack: { readonly name: string; readonly epsilon: number; readonly amplify: number };
  readonly examples: readonly AuditExample[];
  readonly protocol: readonly { readonly name: string; readonly value: string }[];
  readonly versions: Readonly<Record<string, string>>;
}

export interface AuditExample {
  readonly label: string;
  readonly natural: AuditView;
  readonly attacked: AuditView;
}

export interface AuditView {
  readonly picture: Picture;
  readonly prediction: Prediction;
  /** Difference to the natural image around grey. */
  readonly perturbation: Picture;
  /** Of the logit of the true class. */
  readonly attributions: readonly AttributionExample[];
}
