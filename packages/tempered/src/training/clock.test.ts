import { expect, it } from 'vitest';
import { duration, elapsed, type TimeUnit } from './clock.ts';

it.each<[TimeUnit, number, number]>([
  ['steps', 30, 120],
  ['epochs', 2.5, 10],
  ['share', 0.25, 1],
])('30 of 120 steps, 12 an epoch, in %s', (unit, done, whole) => {
  const clock = { step: 30, stepsPerEpoch: 12, epochs: 10 };
  expect([elapsed(clock, unit), duration(clock, unit)]).toEqual([done, whole]);
});
