import { Command, InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  epsilonList,
  fraction,
  nameList,
  nonNegative,
  numberList,
  positiveInteger,
  readingOptions,
  shape,
  wholeNumber,
  withCommonOptions,
} from './options.ts';

describe('option values', () => {
  it.each<[(text: string) => unknown, string, unknown]>([
    [fraction, '0.25', 0.25],
    [fraction, '8/255', 8 / 255],
    [fraction, ' 8 / 255 ', 8 / 255],
    [fraction, '-1.5e-3', -0.0015],
    [fraction, '1E-3', 0.001],
    [fraction, '.5', 0.5],
    [fraction, '+2', 2],
    [nonNegative, '0', 0],
    [epsilonList, '0,0.1,8/255', [0, 0.1, 8 / 255]],
    [epsilonList, '0.3, 0.4', [0.3, 0.4]],
    [numberList, '0.485,-1,1/4', [0.485, -1, 0.25]],
    [nameList, 'input, fc.weight', ['input', 'fc.weight']],
    [wholeNumber, '0', 0],
    [wholeNumber, '42', 42],
    [positiveInteger, '1', 1],
    [shape, '1x3x224x224', [1, 3, 224, 224]],
    [shape, '7', [7]],
  ])('%o of %j', (parse, text, expected) => {
    expect(parse(text)).toEqual(expected);
  });

  it.each<[(text: string) => unknown, string, string]>([
    ...['', 'x', '8/0', '1/2/3', '1.2.3', '1,5', '--1', 'Infinity', 'NaN', '0x10', '1/-2', '.'].map(
      (text): [typeof fraction, string, string] => [
        fraction,
        text,
        `'${text}' is not a number or a fraction such as 8/255.`,
      ],
    ),
    [nonNegative, '-0.1', 'It must be 0 or more, not -0.1.'],
    [epsilonList, '0.1,-8/255', 'Every ε must be 0 or more, not -8/255.'],
    [epsilonList, '0.1,,0.2', "'' is not a number or a fraction such as 8/255."],
    [wholeNumber, '-1', "'-1' is not a whole number, 0 or more."],
    [wholeNumber, '1.5', "'1.5' is not a whole number, 0 or more."],
    [wholeNumber, '1e3', "'1e3' is not a whole number, 0 or more."],
    [wholeNumber, '99999999999999999999', "'99999999999999999999' is not a whole number, 0 or more."],
    [positiveInteger, '0', 'It must be 1 or more.'],
    ...['', '3x', '3x-2', '3x1.5', 'axb', '3x0', '1e2x3', '3,4'].map((text): [typeof shape, string, string] => [
      shape,
      text,
      `'${text}' is not a shape such as 1x3x224x224.`,
    ]),
  ])('%o refuses %j', (parse, text, message) => {
    expect(() => parse(text)).toThrow(InvalidArgumentError);
    expect(() => parse(text)).toThrow(message);
  });
});

it('the options of every command have their defaults', () => {
  const options = (...words: string[]) =>
    withCommonOptions(new Command().exitOverride().configureOutput({ writeErr: () => {} }))
      .parse(words, { from: 'user' })
      .opts();
  expect(options()).toEqual({ seed: 0, device: 'cpu' });
  expect(options('--json', '--seed', '3', '--device', 'webgpu', '--threads', '2')).toEqual({
    json: true,
    seed: 3,
    device: 'webgpu',
    threads: 2,
  });
  expect(options('--json', 'out.json').json).toBe('out.json');
  expect(() => options('--threads', '0')).toThrow('It must be 1 or more.');
  expect(() => options('--device', 'tpu')).toThrow(/Allowed choices are cpu, webgpu/);
});

it('what reading a model takes of the options', () => {
  expect(readingOptions({ mean: [0.5], std: [0.2], inputShape: [3, 8, 8], modelOutput: 'scores' })).toEqual({
    mean: [0.5],
    std: [0.2],
    inputShape: [3, 8, 8],
    output: 'scores',
  });
});
