/**
 * @file An exponential moving average of the weights over the training. The running statistics of batch normalisation
 * are averaged along with the weights, at the same pace: they belong to the weights they were measured with.
 */
import type { GraphBuilder, Value } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import { type Clock, elapsed, type TimeUnit } from './clock.ts';

export interface WeightAveraging {
  /** Share of the old average that each step keeps. */
  readonly decay: number;
  /** Before this time the average is the weights themselves. */
  readonly start: number;
  readonly unit: TimeUnit;
}

/**
 * Averages the weights after every step: average ← d · average + (1 − d) · weights (Polyak & Juditsky 1992; in
 * adversarial training Gowal et al. 2020, §3.3). After n steps of averaging d = min(decay, (1 + n) / (10 + n)), so that
 * the initial weights are soon forgotten.
 *
 * @param options `decay`, default 0.999; `start`, when averaging begins, by default at once; `unit` of the start: a share
 *   of the training (default), epochs or steps
 */
export function weightAveraging({
  decay = 0.999,
  start = 0,
  unit = 'share',
}: {
  decay?: number;
  start?: number;
  unit?: TimeUnit;
} = {}): WeightAveraging {
  return { decay, start, unit };
}

/** Throws a UsageError for a decay outside [0, 1), or a start that is never reached. */
export function checkWeightAveraging({ decay, start, unit }: WeightAveraging): void {
  if (!(decay >= 0 && decay < 1))
    throw new UsageError(`the decay of weight averaging must lie from 0 to below 1, not ${decay}`);
  if (!(start >= 0) || (unit === 'share' && start > 1))
    throw new UsageError(`weight averaging must start within the training, not at ${start}`);
}

/** The share of the old average that the step at `clock` keeps; 0 while averaging has not begun. */
export function averagingDecay({ decay, start, unit }: WeightAveraging, clock: Clock): number {
  if (elapsed(clock, unit) < start) return 0;
  const done = clock.step - Math.ceil(start / elapsed({ ...clock, step: 1 }, unit) - 1e-9);
  return Math.min(decay, (1 + done) / (10 + done));
}

/** Writes the next average from the last one, the next weights and the decay, a scalar. */
export function writeAverage(g: GraphBuilder, average: Value, next: Value, decay: Value): Value {
  return g.add(next, g.mul(decay, g.sub(average, next)));
}
