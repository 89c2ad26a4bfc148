/** @file Whether a classifier and a data set speak of the same images and classes. */
import type { Dataset } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import { type Classifier, checkClasses, type ModelDescription } from '../models/classifier.ts';

/**
 * The data set with the labels of a model. Classes are matched by name, because their order differs between sources:
 * folders come in alphabetical order. A data set with numbers for names numbers the model's classes; one with names
 * meets a model without names in the order it has, and its note says so.
 *
 * @throws UsageError when the images have another shape, or the classes cannot be matched
 * @example
 * const { images, labels } = fitDataset(classifier.description, dataset).batch([0, 1, 2]);
 */
export function fitDataset(model: ModelDescription, dataset: Dataset): Dataset {
  checkClasses(model);
  const { inputShape, classes, name } = model;
  const { imageShape, classes: given } = dataset;
  if (inputShape.join() !== imageShape.join()) {
    throw new UsageError(
      `'${name}' takes images of ${inputShape.join('x')}, but those of ${dataset.name} are ${imageShape.join('x')} (channels, height, width)`,
    );
  }
  if (given.length === classes.length && given.every((label, k) => label === classes[k])) return dataset;
  const places = areNumbers(given) ? given.map(Number) : given.map((label) => classes.indexOf(label));
  const matched = places.every((place) => place >= 0 && place < classes.length);
  const isAmbiguous = !areNumbers(given) && new Set(classes).size < classes.length;
  if (matched && !isAmbiguous) return relabelled(dataset, classes, places);
  if (!areNumbers(classes) || areNumbers(given)) {
    throw new UsageError(
      `the classes of '${name}' (${listed(classes)}) are not those of ${dataset.name} (${listed(given)})`,
    );
  }
  if (given.length !== classes.length) {
    throw new UsageError(`'${name}' tells ${classes.length} classes apart, but ${dataset.name} has ${given.length}`);
  }
  const order = `the model has no class names: its classes are taken to be those of ${dataset.name} in this order: ${listed(given)}`;
  return { ...dataset, classes, note: [dataset.note, order].filter(Boolean).join('; ') };
}

/**
 * Refuses models that cannot be attacked for each other: labels are passed from one to the other as numbers.
 *
 * @throws UsageError when two models number the classes of the data set differently, or tell different numbers apart
 */
export function checkSameClassNumbers(classifiers: readonly Pick<Classifier, 'description'>[], dataset: Dataset): void {
  const [first, ...others] = classifiers.map(({ description }) => description);
  for (const other of others) {
    const names = `'${first!.name}' (${listed(first!.classes)}) and '${other.name}' (${listed(other.classes)})`;
    if (first!.classes.length !== other.classes.length)
      throw new UsageError(
        `${names} tell ${first!.classes.length} and ${other.classes.length} classes apart: adversarial images of one are no test of the other`,
      );
    const [numbers, otherNumbers] = [classNumbers(first!, dataset), classNumbers(other, dataset)];
    if (numbers.join() !== otherNumbers.join())
      throw new UsageError(
        `${names} have the classes of ${dataset.name} in different orders: export both with the same order to attack one for the other`,
      );
  }
}

/** The number that a model gives to each class of a data set. */
function classNumbers(model: ModelDescription, dataset: Dataset): Int32Array {
  const images = { shape: [0, ...dataset.imageShape], data: new Float32Array() };
  const oneOfEach: Dataset = { ...dataset, batch: (indices) => ({ images, labels: Int32Array.from(indices) }) };
  return fitDataset(model, oneOfEach).batch(Uint32Array.from(dataset.classes.keys())).labels;
}

function relabelled(dataset: Dataset, classes: readonly string[], places: readonly number[]): Dataset {
  return {
    ...dataset,
    classes,
    batch: (indices) => {
      const { images, labels } = dataset.batch(indices);
      return { images, labels: labels.map((label) => places[label]!) };
    },
  };
}

/** "0", "1", "2": names that only count. */
const areNumbers = (names: readonly string[]): boolean => names.every((label) => /^\d+$/.test(label));

const SHOWN = 12;

const listed = (names: readonly string[]): string =>
  names.length <= SHOWN ? names.join(', ') : `${names.slice(0, SHOWN).join(', ')} … ${names.length} in all`;
