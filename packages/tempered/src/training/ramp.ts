/** @file Growth of a weight, such as ε or λ, over the first part of a training. */
import { UsageError } from '../errors.ts';
import { type Clock, elapsed, type TimeUnit } from './clock.ts';

/** 0 before `from`, then linear up to the full value at `until`. */
export interface Ramp {
  readonly from: number;
  readonly until: number;
  readonly unit: TimeUnit;
}

/**
 * A ramp, by steps of the training or as a share of it.
 *
 * @example
 * ramp({ from: 2000, until: 10_000 }); // MNIST in Boopathy et al. 2020
 * ramp({ until: 0.3, unit: 'share' });
 */
export function ramp({ from = 0, until, unit = 'steps' }: { from?: number; until: number; unit?: TimeUnit }): Ramp {
  const result: Ramp = { from, until, unit };
  checkRamp(result);
  return result;
}

/** Throws a UsageError for times that are not in order, or shares beyond the whole. */
export function checkRamp({ from, until, unit }: Ramp): void {
  if (!(from >= 0 && until >= from))
    throw new UsageError(`a ramp goes from 0 or later to the same time or later, not from ${from} to ${until}`);
  if (unit === 'share' && until > 1)
    throw new UsageError(`a ramp ends within the training: its end is a share from 0 to 1, not ${until}`);
}

/** The factor, 0 to 1, on the full value. Without a ramp it is 1 all along. */
export function rampFactor(ramp: Ramp | undefined, clock: Clock): number {
  if (ramp === undefined) return 1;
  const time = elapsed(clock, ramp.unit);
  if (time >= ramp.until) return 1;
  return Math.max(0, (time - ramp.from) / (ramp.until - ramp.from));
}
