import { describe, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { gaussianBlur } from '../image/blur.ts';
import { noiseImages } from '../models/testing/small-models.ts';
import { filled, rows, type Tensor } from '../tensor.ts';
import { type Baseline, baselineDraws, baselinesOf, isRandomBaseline } from './baseline.ts';
import { furthest } from './testing/furthest.ts';

const images = noiseImages(3, [2, 20, 10]);
const task = { images, seed: 5, imageNumbers: [7, 8, 9] };
const SIZE = 400;

const mean = (data: ArrayLike<number>) => Array.from(data).reduce((a, b) => a + b, 0) / data.length;
const deviation = (data: ArrayLike<number>) => Math.sqrt(mean(Array.from(data, (value) => (value - mean(data)) ** 2)));

it('black, white, mean and blurred', () => {
  expect(baselinesOf(task, 'black').data.every((value) => value === 0)).toBe(true);
  expect(baselinesOf(task, 'white').data.every((value) => value === 1)).toBe(true);
  const means = baselinesOf(task, 'mean');
  expect(means.data[2 * 200 + 17]).toBeCloseTo(mean(images.data.subarray(400, 600)), 6);
  expect(baselinesOf(task, 'blurred')).toEqual(gaussianBlur(images, 1));
  expect(baselinesOf(task, { blurred: 2.5 })).toEqual(gaussianBlur(images, 2.5));
});

describe('random baselines', () => {
  it('are uniform, or Gaussian around the image or a value', () => {
    const uniform = baselinesOf(task, 'uniform').data;
    expect(mean(uniform)).toBeCloseTo(0.5, 1);
    expect(deviation(uniform)).toBeCloseTo(1 / Math.sqrt(12), 1);
    expect(uniform.every((value) => value >= 0 && value < 1)).toBe(true);
    const around = baselinesOf(task, 'gaussian').data.map((value, k) => value - images.data[k]!);
    expect(mean(around)).toBeCloseTo(0, 1);
    expect(deviation(around)).toBeCloseTo(0.4, 1);
    const grey = baselinesOf(task, { gaussian: 3, mean: 0.5, sigma: 0.05 }).data;
    expect(mean(grey)).toBeCloseTo(0.5, 2);
    expect(deviation(grey)).toBeCloseTo(0.05, 2);
  });

  it.each<Baseline>(['uniform', { gaussian: 4 }])('%j: by seed, image number and draw', (baseline) => {
    const whole = baselinesOf(task, baseline, 2);
    const part = baselinesOf({ ...task, images: rows(images, 1, 2), imageNumbers: [8] }, baseline, 2);
    expect(part.data).toEqual(rows(whole, 1, 2).data);
    for (const other of [baselinesOf(task, baseline, 1), baselinesOf({ ...task, seed: 6 }, baseline, 2)])
      expect(furthest(other.data, whole.data)).toBeGreaterThan(0.1);
    expect(furthest(rows(whole, 0, 1).data, rows(whole, 1, 2).data)).toBeGreaterThan(0.1);
  });
});

it('there are as many as are averaged over', () => {
  const table: [Baseline, number, boolean][] = [
    ['black', 1, false],
    [images, 1, false],
    ['uniform', 10, true],
    [{ uniform: 3 }, 3, true],
    [{ gaussian: 2 }, 2, true],
    [{ average: images }, 3, false],
  ];
  for (const [baseline, draws, random] of table)
    expect([baselineDraws(baseline), isRandomBaseline(baseline)]).toEqual([draws, random]);
});

it('given images are for all, one each, or to average over', () => {
  const one = noiseImages(1, [2, 20, 10], 3);
  for (const given of [one, { ...one, shape: [2, 20, 10] }]) {
    const all = baselinesOf(task, given);
    for (let i = 0; i < 3; i++) expect(rows(all, i, i + 1).data).toEqual(one.data);
  }
  expect(baselinesOf(task, images).data).toEqual(images.data);
  const second = baselinesOf(task, { average: images }, 1);
  for (let i = 0; i < 3; i++) expect(rows(second, i, i + 1).data).toEqual(images.data.subarray(SIZE, 2 * SIZE));
});

const vectors: Tensor = { shape: [2, 3], data: new Float32Array(6) };
it.each<[Baseline, Tensor, RegExp]>([
  [
    noiseImages(2, [2, 20, 10]),
    images,
    /^2 baselines were given for 3 images: give one each, or \{ average: baselines \}/,
  ],
  [
    noiseImages(1, [2, 10, 20]),
    images,
    /^the baseline has shape \[1, 2, 10, 20\]; it must be one input, \[2, 20, 10\]/,
  ],
  ['blurred', vectors, /^inputs of shape \[3\] are no images: they cannot be blurred$/],
  [{ blurred: 0 }, images, /^the blur of a baseline must be above 0 pixels, not 0$/],
  [{ uniform: 0 }, images, /^the number of uniform baselines must be a whole number, 1 or more, not 0$/],
  [{ gaussian: 2, sigma: -1 }, images, /^the standard deviation of a baseline must be 0 or more, not -1$/],
  ['grey' as Baseline, images, /baseline/],
  [filled([2, 20, 10], Number.NaN), images, /^the baseline has the value NaN: nothing can be compared with it$/],
  [{ average: noiseImages(0, [2, 20, 10]) }, images, /^the number of baselines to average over must be a whole number/],
])('refuses %j', (baseline, given, message) => {
  const refused = () => baselinesOf({ ...task, images: given }, baseline);
  expect(refused).toThrow(message);
  expect(refused).toThrow(UsageError);
});
