import type { StepSize } from '../pgd.ts';
import { checkAmounts, checkCounts } from '../settings.ts';

/** Where the attack heads while it searches; success is a prediction that misses the true class in either case. */
export type Aim = 'random-class' | 'away';

/** What all unforeseen attacks have in common. */
export interface Unforeseen {
  readonly steps: number;
  /** Length of a step in the unit of the variables, or `relative` times ε. */
  readonly stepSize: StepSize;
  readonly aim: Aim;
}

export interface UnforeseenOptions {
  /** Default 200. 0 steps return the random start: what was drawn, and not searched for. */
  steps?: number;
  /** In the unit of the attack's variables. */
  stepSize?: number;
  /**
   * Toward a wrong class drawn at random for each image, as published, or away from the true class. Targets given with
   * the images go before both. Default `'random-class'`.
   */
  aim?: Aim;
}

/** The step that the calibrations use where variables live in a unit box: √(1/200) · √0.001. */
const UNIT_BOX_STEP = 0.002236;

/** With a step of ε/√steps, or of a fixed length where the variables do not grow with ε. */
export function unforeseen(
  { steps = 200, stepSize, aim = 'random-class' }: UnforeseenOptions,
  variables: 'grow with ε' | 'in a unit box',
): Unforeseen {
  checkCounts('unforeseen attack', { steps }, 0);
  if (stepSize !== undefined) checkAmounts('unforeseen attack', { stepSize });
  if (stepSize !== undefined) return { steps, stepSize: { absolute: stepSize }, aim };
  if (variables === 'in a unit box') return { steps, stepSize: { absolute: UNIT_BOX_STEP }, aim };
  return { steps, stepSize: { relative: 1 / Math.sqrt(Math.max(1, steps)) }, aim };
}
