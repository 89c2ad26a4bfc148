import { expect, it } from 'vitest';
import { completenessOf } from './explanation.ts';

it('an error of no more than the rounding of attributions is none, however small the difference', () => {
  const data = Float32Array.of(1, -1 + 2 ** -24, 1, -0.75);
  const found = completenessOf({ shape: [2, 2], data }, [0, 0.5]);
  expect(found).toEqual([
    { sum: 2 ** -24, difference: 0, error: 2 ** -24, relativeError: 0 },
    { sum: 0.25, difference: 0.5, error: 0.25, relativeError: 0.5 },
  ]);
});
