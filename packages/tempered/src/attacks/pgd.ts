import { UsageError } from '../errors.ts';
import type { ObjectiveName } from '../objectives/objectives.ts';
import type { Norm } from '../optimize/ball.ts';
import type { Direction } from '../optimize/direction.ts';
import type { StartRegion } from '../optimize/optimize-input.ts';
import type { ProjectionName } from '../optimize/project.ts';
import type { Keep } from '../optimize/steps.ts';
import type { Search } from './search.ts';
import { searchInBall, searchInBallAfterFgsm } from './search-in-ball.ts';
import { checkAmounts, checkCounts } from './settings.ts';

export interface Pgd {
  readonly name: 'pgd';
  readonly norm: Norm;
  readonly loss: ObjectiveName;
  readonly steps: number;
  /** Length of a step in pixel units, or `relative` times ε. */
  readonly stepSize: StepSize;
  readonly randomStart: boolean | StartRegion;
  readonly direction: Direction;
  readonly projection: ProjectionName;
  /** Which iterate is returned; `'before-last'`: the one that the last step starts from. */
  readonly keep: Keep | 'before-last';
  /** Whether the image that FGSM finds is looked at first of all. */
  readonly fgsmFirst: boolean;
}

export type StepSize = { readonly absolute: number } | { readonly relative: number };

export interface PgdOptions {
  /** Default `'linf'`. */
  norm?: Norm;
  /** Default `'cross-entropy'`. */
  loss?: ObjectiveName;
  /** Default 20. 0 steps return the random start, and need one. */
  steps?: number;
  /** In pixel units. Default 2.5 ε / min(steps, 40), which can cross the ball and leaves room to move along its surface. */
  stepSize?: number | StepSize;
  /** Default true: uniform in the ball. */
  randomStart?: boolean | StartRegion;
  /** Default the steepest ascent; in l1, that of the 5 % of the pixels with the largest gradients. */
  direction?: Direction;
  /** Default `'exact'`. */
  projection?: ProjectionName;
  /** Default `'last'`, as in the papers; `'worst'` and `'first'` are never weaker, and `'first'` is the quickest. */
  keep?: Pgd['keep'];
  /** Default true where `keep` is `'worst'` or `'first'`. */
  fgsmFirst?: boolean;
}

/**
 * Projected gradient descent. Madry et al. 2018, §2.1.
 *
 * With `keep` `'worst'` or `'first'`, a run finds whatever FGSM finds, whose image it looks at first, and whatever a
 * shorter run finds, whose iterates are its own first ones: the step size depends on the number of steps only below 40.
 *
 * @throws UsageError for steps that are not a whole number, sizes below 0, a share of pixels outside (0, 1], or for
 *   `fgsmFirst` where the last iterate counts
 * @example pgd({ norm: 'l2', steps: 40, loss: 'margin', keep: 'first' })
 */
export function pgd({
  norm = 'linf',
  loss = 'cross-entropy',
  steps = 20,
  stepSize,
  randomStart = true,
  direction = norm === 'l1' ? { largest: 0.05 } : 'steepest',
  projection = 'exact',
  keep = 'last',
  fgsmFirst = keep === 'worst' || keep === 'first',
}: PgdOptions = {}): Pgd {
  if (typeof direction === 'object' && !(direction.largest > 0 && direction.largest <= 1))
    throw new UsageError(`the share of the pixels that a step moves must lie in (0, 1], not ${direction.largest}`);
  if (fgsmFirst && keep !== 'worst' && keep !== 'first')
    throw new UsageError(
      `with keep '${keep}' nothing else than the iterates counts: fgsmFirst needs 'worst' or 'first'`,
    );
  checkCounts('PGD', { steps }, randomStart === false || keep === 'before-last' ? 1 : 0);
  const relative = { relative: 2.5 / Math.min(40, Math.max(1, steps)) };
  const size = typeof stepSize === 'number' ? { absolute: stepSize } : (stepSize ?? relative);
  checkAmounts('PGD', {
    'the step size': Object.values<number>(size),
    ...(typeof randomStart === 'object' && { 'the random start': Object.values<number>(randomStart) }),
  });
  return {
    name: 'pgd',
    norm,
    loss,
    steps,
    stepSize: size,
    randomStart,
    direction,
    projection,
    keep,
    fgsmFirst,
  };
}

/** Basic iterative method: PGD from the image itself. Kurakin et al. 2017, §2.2; step ε / steps unless it is given. */
export function bim({
  steps = 10,
  stepSize = { relative: 1 / Math.max(1, steps) },
  ...options
}: Omit<PgdOptions, 'randomStart'> = {}): Pgd {
  return pgd({ ...options, steps, stepSize, randomStart: false });
}

/** Length of a step at ε, in pixel units. */
export const stepSizeAt = ({ stepSize }: { readonly stepSize: StepSize }, epsilon: number): number =>
  'absolute' in stepSize ? stepSize.absolute : stepSize.relative * epsilon;

export const searchPgd: Search<Pgd> = (task, attack) => {
  const { norm, loss, steps, randomStart, direction, projection, keep, fgsmFirst } = attack;
  const stepSize = task.epsilon!.map((epsilon) => stepSizeAt(attack, epsilon));
  const how = { norm, objective: loss, randomStart, direction, projection, stepSize };
  if (keep === 'before-last') return searchInBall(task, { ...how, steps: Math.max(0, steps - 1), keep: 'last' });
  // Further restarts would take the same step again.
  const search = fgsmFirst && task.restart === 0 ? searchInBallAfterFgsm : searchInBall;
  return search(task, { ...how, steps, keep });
};
