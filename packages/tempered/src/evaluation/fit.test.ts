import { describe, expect, it } from 'vitest';
import { fromArrays } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import { affineModel } from '../models/testing/small-models.ts';
import { checkSameClassNumbers, fitDataset } from './fit.ts';

const model = (classes: readonly string[]) => ({
  ...affineModel(
    [1, 1, 1],
    classes.map(() => [1]),
  ),
  classes,
});
/** One image of each class, in the order of the names. */
const dataset = (classes: readonly string[]) =>
  fromArrays({
    name: 'pets',
    split: 'test',
    classes,
    imageShape: [1, 1, 1],
    pixels: Uint8Array.from(classes.keys()),
    labels: [...classes.keys()],
  });
const labelsOf = (of: readonly string[], given: readonly string[]) => {
  const fitted = fitDataset(model(of), dataset(given));
  expect(fitted.classes).toEqual(of);
  const { images, labels } = fitted.batch(Uint32Array.from(given.keys()));
  expect(images).toEqual(dataset(given).batch(Uint32Array.from(given.keys())).images);
  return [...labels];
};

describe('fitDataset', () => {
  it.each([
    ['the same names in the same order', ['dog', 'cat'], ['dog', 'cat'], [0, 1]],
    ['the same names in another order', ['dog', 'cat', 'bat'], ['bat', 'cat', 'dog'], [2, 1, 0]],
    ['some of the names', ['dog', 'cat', 'bat'], ['bat', 'dog'], [2, 0]],
    ['numbers for names', ['dog', 'cat', 'bat'], ['0', '2'], [0, 2]],
    ['a model without names', ['0', '1'], ['dog', 'cat'], [0, 1]],
  ])('matches %s', (_, of, given, expected) => {
    expect(labelsOf(of, given)).toEqual(expected);
  });

  it('matches eleven numbered folders by their numbers', () => {
    const numbers = Array.from({ length: 11 }, (_, k) => String(k));
    expect(labelsOf(numbers, [...numbers].sort())).toEqual([0, 1, 10, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('says in the note that order had to do', () => {
    expect(fitDataset(model(['0', '1']), dataset(['dog', 'cat'])).note).toMatch(/no class names.*: dog, cat$/);
    expect(fitDataset(model(['cat', 'dog']), dataset(['dog', 'cat'])).note).toBeUndefined();
  });

  it.each([
    [
      'other names',
      ['dog', 'cat'],
      ['dog', 'cow'],
      "the classes of 'small' (dog, cat) are not those of pets (dog, cow)",
    ],
    ['a name that the model has twice', ['crane', 'crane', 'cat'], ['cat', 'crane'], "the classes of 'small'"],
    ['a number too many', ['dog', 'cat'], ['0', '2'], "the classes of 'small' (dog, cat) are not those of pets (0, 2)"],
    ['another count', ['0', '1', '2'], ['dog', 'cat'], "'small' tells 3 classes apart, but pets has 2"],
    ['one class', ['dog'], ['dog'], "'small' has one output an image"],
  ])('refuses %s', (_, of, given, message) => {
    expect(() => fitDataset(model(of), dataset(given))).toThrow(UsageError);
    expect(() => fitDataset(model(of), dataset(given))).toThrow(message);
  });

  it('refuses images of another shape', () => {
    const wide = { ...model(['a', 'b']), inputShape: [1, 1, 2] };
    expect(() => fitDataset(wide, dataset(['a', 'b']))).toThrow(
      "'small' takes images of 1x1x2, but those of pets are 1x1x1",
    );
  });
});

describe('checkSameClassNumbers', () => {
  const models = (...lists: string[][]) => lists.map((classes) => ({ description: model(classes) }));

  it.each([
    [
      'the same names in the same order',
      [
        ['cat', 'dog'],
        ['cat', 'dog'],
      ],
      ['dog', 'cat'],
    ],
    [
      'no names, where the order is that of the data',
      [
        ['0', '1'],
        ['dog', 'cat'],
      ],
      ['dog', 'cat'],
    ],
  ])('lets %s pass', (_, lists, data) => {
    expect(() => checkSameClassNumbers(models(...lists), dataset(data))).not.toThrow();
  });

  it.each([
    [
      'the same names in another order',
      [
        ['cat', 'dog'],
        ['dog', 'cat'],
      ],
      ['dog', 'cat'],
      /in different orders/,
    ],
    [
      'no names, where the order is another',
      [
        ['0', '1'],
        ['cat', 'dog'],
      ],
      ['dog', 'cat'],
      /in different orders/,
    ],
    [
      'another number of classes',
      [
        ['cat', 'dog'],
        ['cat', 'dog', 'cow'],
      ],
      ['dog', 'cat'],
      /2 and 3 classes apart/,
    ],
    [
      'a third model',
      [
        ['a', 'b'],
        ['a', 'b'],
        ['b', 'a'],
      ],
      ['a', 'b'],
      /in different orders/,
    ],
  ])('refuses %s', (_, lists, data, message) => {
    expect(() => checkSameClassNumbers(models(...lists), dataset(data))).toThrow(message);
  });
});
