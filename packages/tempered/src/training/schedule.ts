/**
 * @file Learning-rate schedules: plain data, evaluated at every step of the training. The rate is the training's
 * learning rate, which is the highest, times the schedule's factor.
 */
import { UsageError } from '../errors.ts';
import { type Clock, duration, elapsed, type TimeUnit } from './clock.ts';

/** What every schedule has. */
export interface ScheduleTiming {
  /** What milestones, periods and the warm-up are counted in. Default: shares of the training. */
  readonly unit: TimeUnit;
  /** Whether the rate moves after every step (default) or only between epochs. */
  readonly each: 'step' | 'epoch';
  /** Time over which the rate first rises linearly, n steps (or epochs) of it giving (n + 1) / length. Default: 0. */
  readonly warmup: number;
}

export type Schedule = ScheduleTiming &
  (
    | { readonly name: 'constant' }
    | { readonly name: 'step'; readonly period: number; readonly factor: number }
    | { readonly name: 'multi-step'; readonly milestones: readonly number[]; readonly factor: number }
    | { readonly name: 'exponential'; readonly factor: number }
    | { readonly name: 'cosine'; readonly period?: number; readonly floor: number }
    | { readonly name: 'cyclic'; readonly period?: number; readonly peak: number; readonly floor: number }
    | { readonly name: 'one-cycle'; readonly rise: number; readonly start: number; readonly end: number }
  );

type TimingOptions = Partial<ScheduleTiming>;

const timing = ({ unit = 'share', each = 'step', warmup = 0 }: TimingOptions): ScheduleTiming => ({
  unit,
  each,
  warmup,
});

export const constant = (options: TimingOptions = {}): Schedule => ({ name: 'constant', ...timing(options) });

/** Multiplies the rate by `factor` after every `period`. Default: by 0.1 after each third of the training. */
export function step({
  period,
  factor = 0.1,
  ...options
}: { period?: number; factor?: number } & TimingOptions = {}): Schedule {
  const { unit } = timing(options);
  if (period === undefined && unit !== 'share') throw new UsageError(`a step schedule in ${unit} needs a period`);
  return { name: 'step', period: period ?? 1 / 3, factor, ...timing(options) };
}

/** Multiplies the rate by `factor` at each milestone. Default: by 0.1 after 1/2 and 3/4 of the training. */
export function multiStep({
  milestones,
  factor = 0.1,
  ...options
}: { milestones?: readonly number[]; factor?: number } & TimingOptions = {}): Schedule {
  const { unit } = timing(options);
  if (milestones === undefined && unit !== 'share')
    throw new UsageError(`a multi-step schedule in ${unit} needs milestones`);
  return { name: 'multi-step', milestones: milestones ?? [0.5, 0.75], factor, ...timing(options) };
}

/** factor ^ time, by default 0.9 for each epoch. */
export function exponential({
  factor = 0.9,
  unit = 'epochs',
  ...options
}: { factor?: number } & TimingOptions = {}): Schedule {
  return { name: 'exponential', factor, ...timing({ ...options, unit }) };
}

/**
 * Half a cosine down to `floor` times the rate (Loshchilov & Hutter 2017, eq. 5, without restarts), after the warm-up.
 * `period` is how long half a cosine takes, T_max in PyTorch; longer than the training, the rate ends on its way down;
 * shorter, it stays at the floor. Default: what the warm-up leaves of the training.
 */
export function cosine({
  period,
  floor = 0,
  ...options
}: { period?: number; floor?: number } & TimingOptions = {}): Schedule {
  return { name: 'cosine', ...(period !== undefined && { period }), floor, ...timing(options) };
}

/**
 * Triangles from `floor` up to the rate and back (Smith 2017, "triangular"). One triangle over the whole training, as in
 * fast adversarial training (Wong, Rice & Kolter 2020), unless a period is given.
 * `peak` is the share of a period at which the rate is highest. Default: 0.5.
 */
export function cyclic({
  period,
  peak = 0.5,
  floor = 0,
  ...options
}: { period?: number; peak?: number; floor?: number } & TimingOptions = {}): Schedule {
  return { name: 'cyclic', ...(period !== undefined && { period }), peak, floor, ...timing(options) };
}

/**
 * One rise and one fall, each half a cosine (Smith & Topin 2018): from `start` up to the rate over the share `rise`, then
 * down to `end`, both times the rate. Defaults: 1/25, 0.3 and 4e-6, those of PyTorch; momentum stays as it is.
 */
export function oneCycle({
  rise = 0.3,
  start = 1 / 25,
  end = 4e-6,
  ...options
}: { rise?: number; start?: number; end?: number } & TimingOptions = {}): Schedule {
  return { name: 'one-cycle', rise, start, end, ...timing(options) };
}

/** Throws a UsageError for a schedule whose numbers have no meaning. */
export function checkSchedule(schedule: Schedule): void {
  const { name, warmup, unit } = schedule;
  const refuse = (what: string) => {
    throw new UsageError(`the ${name} schedule: ${what}`);
  };
  if (!(warmup >= 0)) refuse(`the warm-up must be 0 or more, not ${warmup}`);
  if (unit === 'share' && warmup > 1) refuse(`the warm-up must be a share of the training, 0 to 1, not ${warmup}`);
  if ('period' in schedule && !(schedule.period! > 0)) refuse(`the period must be above 0, not ${schedule.period}`);
  if ('factor' in schedule && !(schedule.factor > 0)) refuse(`the factor must be above 0, not ${schedule.factor}`);
  if ('floor' in schedule && !(schedule.floor >= 0 && schedule.floor <= 1))
    refuse(`the floor must be a share of the rate, 0 to 1, not ${schedule.floor}`);
  for (const share of ['peak', 'rise'] as const) {
    const value: number | undefined = (schedule as { peak?: number; rise?: number })[share];
    if (value !== undefined && !(value > 0 && value < 1)) refuse(`'${share}' must lie between 0 and 1, not ${value}`);
  }
  if (name === 'cyclic' && warmup > 0 && schedule.floor === 0)
    refuse('a warm-up before triangles that start at 0 would train at rate 0; leave it out, or give a floor');
}

/**
 * The factor on the rate for the step that comes next.
 *
 * Milestones and periods of `step` and `multi-step`, and the time of `exponential`, count from the start of the training;
 * the curves (cosine, cyclic, one-cycle) start when the warm-up ends.
 */
export function rateFactor(schedule: Schedule, clock: Clock): number {
  const { unit, each, warmup } = schedule;
  const grain = each === 'epoch' ? clock.stepsPerEpoch : 1;
  const steps = Math.floor(clock.step / grain) * grain;
  const time = elapsed({ ...clock, step: steps }, unit);
  const next = elapsed({ ...clock, step: steps + grain }, unit);
  const rise = warmup > 0 ? Math.min(1, next / warmup) : 1;
  const rest = Math.max(Number.EPSILON, duration(clock, unit) - warmup);
  return rise * shape(schedule, time, Math.max(0, time - warmup), rest);
}

/** @param time since the start @param after since the end of the warm-up @param rest from there to the end */
function shape(schedule: Schedule, time: number, after: number, rest: number): number {
  switch (schedule.name) {
    case 'constant':
      return 1;
    case 'step':
      // 0.3 / 0.1 is just below 3.
      return schedule.factor ** Math.floor(time / schedule.period + 1e-9);
    case 'multi-step':
      return schedule.factor ** schedule.milestones.filter((milestone) => time >= milestone).length;
    case 'exponential':
      return schedule.factor ** time;
    case 'cosine':
      return descend(1, schedule.floor, Math.min(1, after / (schedule.period ?? rest)));
    case 'cyclic': {
      const { peak, floor, period = rest } = schedule;
      const phase = (after / period) % 1;
      return floor + (1 - floor) * (phase < peak ? phase / peak : (1 - phase) / (1 - peak));
    }
    case 'one-cycle': {
      const { rise, start, end } = schedule;
      const share = after / rest;
      return share < rise ? descend(start, 1, share / rise) : descend(1, end, (share - rise) / (1 - rise));
    }
  }
}

/** Half a cosine between two values, at `share` of the way. */
const descend = (from: number, to: number, share: number): number =>
  to + ((from - to) * (1 + Math.cos(Math.PI * share))) / 2;
