/** @file What an audit does, as plain data. */
import type { Attack } from '../attacks/attack.ts';

export type Effort = 'quick' | 'standard' | 'full';

export interface AuditConfiguration {
  readonly effort: Effort;
  readonly data: string;
  readonly split: string;
  /** Attacked images, the first in file order. */
  readonly count: number;
  /** Radii in pixel units; without them they double until no more images are right than by chance, if the attacks have a norm. */
  readonly epsilons?: readonly number[];
  readonly attacks: Readonly<Record<string, Attack>>;
  readonly exampleCount: number;
  readonly seed: number;
  /** How the model file is read: what it leaves open. */
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly inputShape?: readonly number[];
  readonly modelOutput?: string;
}

/** Images that an effort is worth. */
export const COUNTS: Readonly<Record<Effort, number>> = { quick: 100, standard: 500, full: 1000 };
