/** @file Learning-rate schedules: plain data, evaluated at the progress of the training, 0 at its start and 1 at its end. */

export type Schedule =
  | { readonly name: 'constant' }
  | { readonly name: 'step'; readonly milestones: readonly number[]; readonly factor: number }
  | { readonly name: 'cosine'; readonly warmup: number };

export const constant = (): Schedule => ({ name: 'constant' });

/** Multiplies the rate by `factor` at each milestone, a fraction of the training. Default: by 0.1 at 1/2 and 3/4. */
export function step({
  milestones = [0.5, 0.75],
  factor = 0.1,
}: {
  milestones?: readonly number[];
  factor?: number;
} = {}): Schedule {
  return { name: 'step', milestones, factor };
}

/** Half a cosine down to zero (Loshchilov & Hutter 2017), after a linear rise over the first `warmup` of the training. */
export function cosine({ warmup = 0 }: { warmup?: number } = {}): Schedule {
  return { name: 'cosine', warmup };
}

/** The factor on the base rate at `progress` in [0, 1]. */
export function rateFactor(schedule: Schedule, progress: number): number {
  switch (schedule.name) {
    case 'constant':
      return 1;
    case 'step':
      return schedule.factor ** schedule.milestones.filter((milestone) => progress >= milestone).length;
    case 'cosine':
      if (progress < schedule.warmup) return progress / schedule.warmup;
      return (1 + Math.cos((Math.PI * (progress - schedule.warmup)) / (1 - schedule.warmup))) / 2;
  }
}
