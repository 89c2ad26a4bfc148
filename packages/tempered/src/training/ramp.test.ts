import { expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { type Ramp, ramp, rampFactor } from './ramp.ts';

const at = (step: number) => ({ step, stepsPerEpoch: 1000, epochs: 100 });

it.each<[string, Ramp, [step: number, factor: number][]]>([
  // experiments of Boopathy et al. 2020 on MNIST: 0 until step 2,000, the target at 10,000
  [
    'steps',
    ramp({ from: 2000, until: 10_000 }),
    [
      [0, 0],
      [2000, 0],
      [6000, 0.5],
      [9996, 0.9995],
      [10_000, 1],
      [99_999, 1],
    ],
  ],
  [
    'a share',
    ramp({ until: 0.5, unit: 'share' }),
    [
      [0, 0],
      [25_000, 0.5],
      [50_000, 1],
      [100_000, 1],
    ],
  ],
  [
    'epochs',
    ramp({ from: 10, until: 20, unit: 'epochs' }),
    [
      [10_000, 0],
      [12_500, 0.25],
      [20_000, 1],
    ],
  ],
  [
    'a jump',
    ramp({ from: 3, until: 3 }),
    [
      [2, 0],
      [3, 1],
    ],
  ],
  ['nothing', ramp({ until: 0 }), [[0, 1]]],
])('grows by %s', (_, growth, values) => {
  for (const [step, factor] of values) expect(rampFactor(growth, at(step))).toBeCloseTo(factor, 12);
});

it('without a ramp the value is there at once', () => {
  expect(rampFactor(undefined, at(0))).toBe(1);
});

it.each([{ from: -1, until: 4 }, { from: 5, until: 4 }, { until: Number.NaN }, { until: 1.5, unit: 'share' as const }])(
  'refuses %o',
  (options) => {
    expect(() => ramp(options)).toThrow(UsageError);
  },
);
