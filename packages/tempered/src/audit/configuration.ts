/** @file What an audit does, as plain data. */
import type { Attack } from '../attacks/attack.ts';
import type { Norm } from '../optimize/ball.ts';

export type Effort = 'quick' | 'standard' | 'full';

export interface AuditConfiguration {
  readonly effort: Effort;
  readonly data: string;
  readonly split: string;
  /** Attacked images, the first in file order. */
  readonly count: number;
  readonly norm: Norm;
  /** Radii in pixel units; without them they double until no more images are right than by chance. */
  readonly epsilons?: readonly number[];
  readonly attacks: Readonly<Record<string, Attack>>;
  readonly exampleCount: number;
  readonly seed: number;
}

/** Images that an effort is worth. */
export const COUNTS: Readonly<Record<Effort, number>> = { quick: 100, standard: 500, full: 1000 };
