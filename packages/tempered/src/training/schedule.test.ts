import { expect, it } from 'vitest';
import { constant, cosine, rateFactor, type Schedule, step } from './schedule.ts';

it.each<[string, Schedule, [progress: number, factor: number][]]>([
  [
    'constant',
    constant(),
    [
      [0, 1],
      [0.5, 1],
      [1, 1],
    ],
  ],
  [
    'step',
    step(),
    [
      [0, 1],
      [0.49, 1],
      [0.5, 0.1],
      [0.74, 0.1],
      [0.75, 0.01],
      [1, 0.01],
    ],
  ],
  [
    'step with one milestone',
    step({ milestones: [0.3], factor: 0.5 }),
    [
      [0.29, 1],
      [0.3, 0.5],
      [1, 0.5],
    ],
  ],
  [
    'cosine',
    cosine(),
    [
      [0, 1],
      [1 / 3, 0.75],
      [0.5, 0.5],
      [2 / 3, 0.25],
      [1, 0],
    ],
  ],
  [
    'cosine after a warm-up',
    cosine({ warmup: 0.2 }),
    [
      [0, 0],
      [0.1, 0.5],
      [0.2, 1],
      [0.6, 0.5],
      [1, 0],
    ],
  ],
])('%s', (_, schedule, values) => {
  for (const [progress, factor] of values) expect(rateFactor(schedule, progress)).toBeCloseTo(factor, 12);
});
