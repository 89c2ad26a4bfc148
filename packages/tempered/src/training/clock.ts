/** @file How far a training has come, in the unit that a schedule or a ramp is stated in. */

/** Where a training stands. */
export interface Clock {
  /** Steps that are done. */
  readonly step: number;
  readonly stepsPerEpoch: number;
  /** Length of the whole training. */
  readonly epochs: number;
}

/** What times of a training are counted in: a share of it, 0 to 1, or epochs, or steps. */
export type TimeUnit = 'share' | 'epochs' | 'steps';

/** What is done of the training. */
export const elapsed = ({ step, ...length }: Clock, unit: TimeUnit): number => step / stepsPer(length, unit);

/** The whole training. */
export const duration = ({ stepsPerEpoch, epochs }: Clock, unit: TimeUnit): number =>
  (stepsPerEpoch * epochs) / stepsPer({ stepsPerEpoch, epochs }, unit);

function stepsPer({ stepsPerEpoch, epochs }: Omit<Clock, 'step'>, unit: TimeUnit): number {
  if (unit === 'steps') return 1;
  return unit === 'epochs' ? stepsPerEpoch : stepsPerEpoch * epochs;
}
