import { expect, it } from 'vitest';
import { cosineBetween } from './fmn.ts';

// Steps and radii of the authors' code for ten steps.
it.each([
  [
    [1, 0.01],
    [1, 0.97577298, 0.90546341, 0.7959537, 0.65796341, 0.505, 0.35203659, 0.2140463, 0.10453659, 0.03422702],
  ],
  [
    [0.05, 0.001],
    [0.05, 0.04880088, 0.04532092, 0.03990074, 0.03307092, 0.0255, 0.01792908, 0.01109926, 0.00567908, 0.00219912],
  ],
] as const)('the schedule from %s is the published one', (ends, published) => {
  for (const [step, value] of published.entries()) expect(cosineBetween(ends, step, 10)).toBeCloseTo(value, 7);
});
