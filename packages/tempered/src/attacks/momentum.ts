import type { ObjectiveName } from '../objectives/objectives.ts';
import type { Norm } from '../optimize/ball.ts';
import { type StepSize, stepSizeAt } from './pgd.ts';
import type { Search } from './search.ts';
import { searchInBall } from './search-in-ball.ts';
import { checkAmounts, checkCounts } from './settings.ts';

export interface MomentumFgsm {
  readonly name: 'momentum-fgsm';
  readonly norm: Norm;
  readonly loss: ObjectiveName;
  readonly steps: number;
  readonly stepSize: StepSize;
  /** Share of the running sum of gradients that is kept from step to step. */
  readonly decay: number;
  /** Whether the gradient is taken where the momentum leads. */
  readonly lookAhead: boolean;
}

export interface MomentumOptions {
  /** Default `'linf'`. */
  norm?: Norm;
  /** Default `'cross-entropy'`. */
  loss?: ObjectiveName;
  /** Default 10. */
  steps?: number;
  /** In pixel units. Default ε / steps. */
  stepSize?: number;
  /** Default 1. */
  decay?: number;
}

/**
 * MI-FGSM: iterated steps along a running sum of gradients, which transfer better to other models. Dong et al. 2018,
 * algorithm 1.
 *
 * @throws UsageError for steps that are not a whole number above 0, and for a step size or decay below 0
 */
export const miFgsm = (options: MomentumOptions = {}): MomentumFgsm => momentumFgsm(false, options);

/**
 * NI-FGSM: the same with the gradient taken where the momentum leads (Nesterov). Lin et al. 2020, §3.1.
 *
 * @throws UsageError as `miFgsm` does
 */
export const niFgsm = (options: MomentumOptions = {}): MomentumFgsm => momentumFgsm(true, options);

function momentumFgsm(
  lookAhead: boolean,
  { norm = 'linf', loss = 'cross-entropy', steps = 10, stepSize, decay = 1 }: MomentumOptions,
): MomentumFgsm {
  checkCounts(lookAhead ? 'NI-FGSM' : 'MI-FGSM', { steps }, 1);
  checkAmounts(lookAhead ? 'NI-FGSM' : 'MI-FGSM', { decay, ...(stepSize !== undefined && { stepSize }) });
  const size = stepSize === undefined ? { relative: 1 / steps } : { absolute: stepSize };
  return { name: 'momentum-fgsm', norm, loss, steps, stepSize: size, decay, lookAhead };
}

export const searchMomentumFgsm: Search<MomentumFgsm> = (task, attack) => {
  const { norm, loss, steps, decay, lookAhead } = attack;
  return searchInBall(task, {
    norm,
    objective: loss,
    steps,
    stepSize: task.epsilon!.map((epsilon) => stepSizeAt(attack, epsilon)),
    momentum: { decay, lookAhead },
  });
};
