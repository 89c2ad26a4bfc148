import type { ObjectiveName } from '../objectives/objectives.ts';
import type { Norm } from '../optimize/ball.ts';
import type { StartRegion } from '../optimize/optimize-input.ts';
import type { Search } from './search.ts';
import { searchInBall } from './search-in-ball.ts';
import { checkAmounts, checkShares } from './settings.ts';

export interface Fgsm {
  readonly name: 'fgsm';
  readonly norm: Norm;
  readonly loss: ObjectiveName;
  readonly randomStart: false | StartRegion;
  /** Length of the step over ε. */
  readonly relativeStep: number;
}

export interface FgsmOptions {
  /** Default `'linf'`. */
  norm?: Norm;
  /** Default `'cross-entropy'`. */
  loss?: ObjectiveName;
}

/** Fast gradient sign method: one step of length ε. Goodfellow et al. 2015, §4; in other norms, the steepest ascent. */
export function fgsm({ norm = 'linf', loss = 'cross-entropy' }: FgsmOptions = {}): Fgsm {
  return { name: 'fgsm', norm, loss, randomStart: false, relativeStep: 1 };
}

/**
 * R+FGSM: a step of `share` · ε along random signs, and the rest of ε along the sign of the gradient there. Tramèr et al.
 * 2018, eq. 7, with share ½.
 *
 * @throws UsageError for a share outside (0, 1]
 */
export function rFgsm({ loss = 'cross-entropy', share = 0.5 }: { loss?: ObjectiveName; share?: number } = {}): Fgsm {
  checkShares('R+FGSM', { share });
  return { name: 'fgsm', norm: 'linf', loss, randomStart: { signs: share }, relativeStep: 1 - share };
}

/**
 * FGSM-RS: from a uniformly random point of the ball, one step of `relativeStep` · ε, drawn back into the ball. Wong et al.
 * 2020, algorithm 3, with 1.25.
 *
 * @throws UsageError for a step below 0
 */
export function fgsmRs({
  norm = 'linf',
  loss = 'cross-entropy',
  relativeStep = 1.25,
}: FgsmOptions & { relativeStep?: number } = {}): Fgsm {
  checkAmounts('FGSM-RS', { relativeStep });
  return { name: 'fgsm', norm, loss, randomStart: 'ball', relativeStep };
}

export const searchFgsm: Search<Fgsm> = (task, { norm, loss, randomStart, relativeStep }) =>
  searchInBall(task, {
    norm,
    objective: loss,
    randomStart,
    steps: 1,
    stepSize: task.epsilon!.map((epsilon) => relativeStep * epsilon),
  });
