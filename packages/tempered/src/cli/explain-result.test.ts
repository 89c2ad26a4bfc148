import { expect, it } from 'vitest';
import { completeness } from '../attribution/explanation.ts';
import { linesOf, recordOf } from './explain-result.ts';

const lineWith = (sum: number, difference: number): string => {
  const record = recordOf(
    {
      model: 'net.onnx',
      name: 'net',
      method: { text: 'lrp', name: 'lrp', method: { name: 'edges' }, unit: 'logit' },
      attacked: false,
      attribution: {
        attributions: { shape: [1, 1, 1, 1], data: Float32Array.of(sum) },
        targets: Int32Array.of(0),
        output: Float32Array.of(difference),
        certificate: { completeness: [completeness(sum, difference)] },
        cost: { forwards: 1, backwards: 1 },
        seed: 0,
      },
      figures: [],
    },
    { of: 'logit', classes: ['a'], numbers: [1] },
  );
  return linesOf(record, undefined).join();
};

it.each([
  [1.5, 2, 'completeness error 0.5 (25.00%)'],
  [0.0128, 0.001, 'completeness error 0.0118, larger than the 0.001 that the map should add up to'],
  [0.5, 0, 'completeness error 0.5, larger than the 0 that the map should add up to'],
  [0, 0, 'completeness error 0 (0.00%)'],
])('a map of %f that should add up to %f has %s', (sum, difference, text) => {
  expect(lineWith(sum, difference)).toBe(`1: logit of class 0 (a) = ${difference}, ${text}`);
});
