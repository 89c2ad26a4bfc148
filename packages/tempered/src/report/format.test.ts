import { describe, expect, it } from 'vitest';
import * as format from './format.ts';

describe.each<[string, (value: number) => string, [number, string][]]>([
  [
    'percent',
    format.percent,
    [
      [0.9411, '94.1%'],
      [0, '0.0%'],
      [1, '100.0%'],
    ],
  ],
  [
    'probability',
    format.probability,
    [
      [0.99987, '>99.9%'],
      [1, '100.0%'],
      [0.0001, '<0.1%'],
      [0, '0.0%'],
      [0.874, '87.4%'],
    ],
  ],
  [
    'count',
    format.count,
    [
      [20000, '20,000'],
      [7, '7'],
    ],
  ],
  [
    'figure',
    format.figure,
    [
      [0.5, '0.5'],
      [0.00123456, '0.00123'],
      [0.0005, '5.0e-4'],
      [123456, '1.2e5'],
      [-2.5, '-2.5'],
      [0, '0'],
    ],
  ],
  [
    'measured',
    format.measured,
    [
      [0.5, '0.500'],
      [0.46, '0.460'],
      [12.345, '12.3'],
      [999.7, '1000'],
      [12345, '12300'],
      [0.0004, '4.0e-4'],
      [0, '0'],
    ],
  ],
  [
    'ordinal',
    format.ordinal,
    [
      [1, '1st'],
      [2, '2nd'],
      [13, '13th'],
      [83, '83rd'],
      [99, '99th'],
      [99.9, '99.9th'],
      [100, '100th'],
    ],
  ],
  [
    'duration',
    format.duration,
    [
      [1.62, '1.6 s'],
      [9.97, '10 s'],
      [83, '1 min 23 s'],
      [3600, '1 h 0 min'],
      [7500, '2 h 5 min'],
    ],
  ],
  [
    'epsilon',
    format.epsilon,
    [
      [8 / 255, '8/255'],
      [0, '0'],
      [0.3, '0.3'],
      [0.2, '0.2'],
      [51 / 255, '0.2'],
      [0.35, '0.35'],
      [0.0123, '0.0123'],
      [6, '6'],
      [1 / 255, '1/255'],
    ],
  ],
])('%s', (_, write, cases) => {
  it.each(cases)('writes %d as %s', (value, expected) => {
    expect(write(value)).toBe(expected);
  });
});

it('keeps an interval on one line', () => {
  expect(format.percentInterval({ lower: 0.929, upper: 0.9511 })).toBe('[92.9,\u00a095.1]');
});

it.each([
  [[0, 2 / 255, 8 / 255], '1/255', '8'],
  [[0, 0.1, 0.2], '', '0.2'],
  [[0, 2 / 255, 0.1], '', '0.1'],
])('labels an axis of %j in units of "%s"', (values, unit, last) => {
  const scale = format.epsilonScale(values);
  expect([scale.unit, scale.label(values.at(-1)!)]).toEqual([unit, last]);
});

it.each([
  [
    [0, 0.05, 0.1],
    ['0.00', '0.05', '0.10'],
  ],
  [
    [0, 2 / 255, 8 / 255],
    ['0', '2/255', '8/255'],
  ],
])('aligns %j in a column', (values, expected) => {
  expect(format.epsilonColumn(values)).toEqual(expected);
});

it('joins lists', () => {
  expect([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(format.list)).toEqual(['', 'a', 'a and b', 'a, b and c']);
});
