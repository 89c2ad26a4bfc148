import type { ObjectiveName } from '../objectives/objectives.ts';
import type { Norm } from '../optimize/ball.ts';
import type { Search } from './search.ts';
import { searchInBall } from './search-in-ball.ts';

export interface Fgsm {
  readonly name: 'fgsm';
  readonly norm: Norm;
  readonly loss: ObjectiveName;
}

/** Fast gradient sign method: one step of length ε. Goodfellow et al. 2015, §4; with l2, the normalised gradient. */
export function fgsm({ norm = 'linf', loss = 'cross-entropy' }: { norm?: Norm; loss?: ObjectiveName } = {}): Fgsm {
  return { name: 'fgsm', norm, loss };
}

export const searchFgsm: Search<Fgsm> = (task, { norm, loss }) =>
  searchInBall(task, { norm, objective: loss, steps: 1, stepSize: task.epsilon! });
