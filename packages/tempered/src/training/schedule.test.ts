import { expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import {
  checkSchedule,
  constant,
  cosine,
  cyclic,
  exponential,
  multiStep,
  oneCycle,
  rateFactor,
  type Schedule,
  step,
} from './schedule.ts';

/** 100 epochs of 10 steps; times below are in epochs. */
const at = (epochs: number) => ({ step: Math.round(10 * epochs), stepsPerEpoch: 10, epochs: 100 });

it.each<[string, Schedule, [epoch: number, factor: number][]]>([
  [
    'constant',
    constant(),
    [
      [0, 1],
      [50, 1],
      [99.9, 1],
    ],
  ],
  [
    'constant after a warm-up',
    constant({ warmup: 0.01 }),
    [
      [0, 0.1],
      [0.1, 0.2],
      [0.9, 1],
      [50, 1],
    ],
  ],
  [
    'step',
    step({ period: 30, unit: 'epochs' }),
    [
      [0, 1],
      [29.9, 1],
      [30, 0.1],
      [60, 0.01],
      [99.9, 0.001],
    ],
  ],
  [
    'step by shares',
    step({ period: 0.1, factor: 0.5 }),
    [
      [29.9, 0.25],
      [30, 0.125],
      [70, 2 ** -7],
    ],
  ],
  [
    'step by thirds',
    step(),
    [
      [33.3, 1],
      [33.4, 0.1],
      [66.7, 0.01],
    ],
  ],
  [
    'multi-step',
    multiStep(),
    [
      [0, 1],
      [49.9, 1],
      [50, 0.1],
      [74.9, 0.1],
      [75, 0.01],
      [99.9, 0.01],
    ],
  ],
  // Adam of Boopathy et al. 2020: 1e-3 up to step 40,000, 1e-4 up to 60,000, then 1e-5; here 400 and 600
  [
    'multi-step by steps',
    multiStep({ milestones: [400, 600], unit: 'steps' }),
    [
      [39.9, 1],
      [40, 0.1],
      [60, 0.01],
    ],
  ],
  [
    'multi-step with a warm-up counts from the start of the training',
    multiStep({ milestones: [30, 60, 80], unit: 'epochs', each: 'epoch', warmup: 5 }),
    [
      [0, 0.2],
      [0.9, 0.2],
      [1, 0.4],
      [4, 1],
      [29.9, 1],
      [30, 0.1],
      [60, 0.01],
      [80, 0.001],
    ],
  ],
  [
    'exponential',
    exponential({ each: 'epoch' }),
    [
      [0, 1],
      [0.9, 1],
      [1, 0.9],
      [2.5, 0.81],
    ],
  ],
  [
    'exponential by step',
    exponential({ factor: 0.25 }),
    [
      [0.5, 0.5],
      [1.5, 0.125],
    ],
  ],
  [
    'cosine',
    cosine(),
    [
      [0, 1],
      [100 / 3, (1 + Math.cos(Math.PI * 0.333)) / 2],
      [50, 0.5],
      [100, 0],
    ],
  ],
  [
    'cosine to a floor',
    cosine({ floor: 0.2 }),
    [
      [0, 1],
      [50, 0.6],
      [100, 0.2],
    ],
  ],
  // Half of the half cosine: what a training of 100 epochs sees of T_max = 200, stepped by epoch
  [
    'cosine longer than the training',
    cosine({ period: 200, unit: 'epochs', each: 'epoch' }),
    [
      [0, 1],
      [0.9, 1],
      [50, (1 + Math.SQRT1_2) / 2],
      [99.9, (1 + Math.cos((99 * Math.PI) / 200)) / 2],
    ],
  ],
  [
    'cosine shorter than the training',
    cosine({ period: 0.5 }),
    [
      [25, 0.5],
      [50, 0],
      [75, 0],
    ],
  ],
  [
    'cosine after a warm-up',
    cosine({ warmup: 0.2 }),
    [
      [0, 1 / 200],
      [9.9, 0.5],
      [19.9, 1],
      [20, 1],
      [60, 0.5],
      [100, 0],
    ],
  ],
  // np.interp([0, 0.4, 1], [0, 1, 0]) of fast adversarial training on CIFAR-10
  [
    'cyclic',
    cyclic({ peak: 0.4 }),
    [
      [0, 0],
      [20, 0.5],
      [40, 1],
      [70, 0.5],
      [100, 0],
    ],
  ],
  [
    'cyclic, twice',
    cyclic({ period: 50, unit: 'epochs', floor: 0.5 }),
    [
      [0, 0.5],
      [25, 1],
      [50, 0.5],
      [62.5, 0.75],
    ],
  ],
  [
    'one-cycle',
    oneCycle(),
    [
      [0, 0.04],
      [15, 0.52],
      [30, 1],
      [65, (1 + 4e-6) / 2],
      [100, 4e-6],
    ],
  ],
])('%s', (_, schedule, values) => {
  checkSchedule(schedule);
  for (const [epoch, factor] of values) expect(rateFactor(schedule, at(epoch))).toBeCloseTo(factor, 12);
});

it.each<[Schedule, RegExp]>([
  [cosine({ warmup: -1 }), /^the cosine schedule: the warm-up must be 0 or more, not -1$/],
  [cosine({ warmup: 5 }), /a share of the training, 0 to 1, not 5/],
  [cosine({ period: 0 }), /the period must be above 0/],
  [cosine({ floor: 2 }), /the floor must be a share/],
  [step({ factor: 0 }), /the factor must be above 0/],
  [cyclic({ peak: 1 }), /'peak' must lie between 0 and 1/],
  [oneCycle({ rise: 0 }), /'rise' must lie between 0 and 1/],
  [cyclic({ warmup: 0.1 }), /would train at rate 0/],
])('refuses a schedule without meaning (%#)', (schedule, message) => {
  expect(() => checkSchedule(schedule)).toThrow(message);
  expect(() => checkSchedule(schedule)).toThrow(UsageError);
});

it.each([() => step({ unit: 'epochs' }), () => multiStep({ unit: 'steps' })])(
  'has defaults for shares only',
  (make) => {
    expect(make).toThrow(UsageError);
  },
);
