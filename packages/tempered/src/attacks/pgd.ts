import type { ObjectiveName } from '../objectives/objectives.ts';
import type { Norm } from '../optimize/ball.ts';
import type { Search } from './search.ts';
import { searchInBall } from './search-in-ball.ts';

export interface Pgd {
  readonly name: 'pgd';
  readonly norm: Norm;
  readonly loss: ObjectiveName;
  readonly steps: number;
  /** Length of a step in pixel units, or `relative` times ε. */
  readonly stepSize: { readonly absolute: number } | { readonly relative: number };
  readonly randomStart: boolean;
  /** Return the last iterate, or of all that were seen the worst for the classifier. */
  readonly keep: 'last' | 'worst';
}

export interface PgdOptions {
  /** Default `'linf'`. */
  norm?: Norm;
  /** Default `'cross-entropy'`. */
  loss?: ObjectiveName;
  /** Default 20. */
  steps?: number;
  /** In pixel units. Default 2.5 ε / steps, which can cross the ball and leaves room to move along its surface. */
  stepSize?: number;
  /** Default true. */
  randomStart?: boolean;
  /** Default `'last'`, as in the papers; `'worst'` is never weaker. */
  keep?: Pgd['keep'];
}

/** Projected gradient descent. Madry et al. 2018, §2.1. */
export function pgd({
  norm = 'linf',
  loss = 'cross-entropy',
  steps = 20,
  stepSize,
  randomStart = true,
  keep = 'last',
}: PgdOptions = {}): Pgd {
  return {
    name: 'pgd',
    norm,
    loss,
    steps,
    stepSize: stepSize === undefined ? { relative: 2.5 / Math.max(1, steps) } : { absolute: stepSize },
    randomStart,
    keep,
  };
}

/** Length of a step at ε, in pixel units. */
export const stepSizeAt = ({ stepSize }: Pgd, epsilon: number): number =>
  'absolute' in stepSize ? stepSize.absolute : stepSize.relative * epsilon;

export const searchPgd: Search<Pgd> = (task, attack) => {
  const { norm, loss, steps, randomStart, keep } = attack;
  const stepSize = task.epsilon!.map((epsilon) => stepSizeAt(attack, epsilon));
  return searchInBall(task, { norm, objective: loss, steps, stepSize, randomStart, keep });
};
