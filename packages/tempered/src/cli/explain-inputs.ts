/** @file The images that `tempered explain` explains: files, or some of a data set. */
import { basename } from 'node:path';
import type { Dataset } from '../data/dataset.ts';
import { loadDataset, type Split } from '../data/node/load.ts';
import { UsageError } from '../errors.ts';
import { checkSameClassNumbers, fitDataset } from '../evaluation/fit.ts';
import type { Classifier } from '../models/classifier.ts';
import { concatRows, type Tensor } from '../tensor.ts';
import { readInput, readTensor } from './input.ts';
import type { Terminal } from './terminal.ts';

export interface InputOptions {
  input?: string[];
  data?: string;
  dataDir?: string;
  split: Split;
  images?: number[];
  background?: string;
  seed: number;
}

export interface Inputs {
  /** [N, ...input shape]. */
  readonly images: Tensor;
  /** How people count them: in the data set from 0, as its images are numbered; among those given from 1. */
  readonly numbers: readonly number[];
  /** What randomness depends on: in the data set, or among those given, from 0. */
  readonly imageNumbers: readonly number[];
  readonly names: readonly string[];
  /** True classes, where they are known. */
  readonly labels?: Int32Array;
  readonly classes: readonly string[];
  /** Images to compare with, [M, ...input shape], where there are any. */
  readonly background?: Tensor;
}

/** Images to compare with unless others are asked for. */
const BACKGROUND = 50;

/** Images are made from the first on: more would not fit into memory. */
const MADE = 100_000;

/** Images of a data set that are explained unless others are asked for. */
const USUAL = [0, 1, 2, 3];

/**
 * Reads the images, which must fit every model.
 *
 * @throws UsageError for neither or both of `--input` and `--data`, models that differ, images that do not exist
 */
export async function readInputs(
  classifiers: readonly Classifier[],
  options: InputOptions,
  terminal: Terminal,
): Promise<Inputs> {
  const { input = [], data } = options;
  if ((input.length === 0) === (data === undefined))
    throw new UsageError('what to explain: either --input with an image or a .npy file, or --data with a data set');
  checkAlike(classifiers);
  const file = options.background?.toLowerCase().endsWith('.npy') ? options.background : undefined;
  const inputs =
    data === undefined
      ? await fromFiles(classifiers[0]!, input)
      : await fromDataset(classifiers, { ...options, data, compared: comparedWith(options) }, terminal);
  return file === undefined ? inputs : { ...inputs, background: await readTensor(file) };
}

/** How many images of the data set. */
function comparedWith({ background = String(BACKGROUND) }: InputOptions): number {
  if (background.toLowerCase().endsWith('.npy')) return 0;
  if (!/^[1-9]\d*$/.test(background))
    throw new UsageError(`--background takes a number of images or a .npy file, not '${background}'`);
  return Number(background);
}

function checkAlike([first, ...others]: readonly Classifier[]): void {
  for (const { description } of others) {
    const { name, inputShape, classes } = first!.description;
    if (description.inputShape.join() !== inputShape.join())
      throw new UsageError(
        `'${name}' takes [${inputShape.join(', ')}] and '${description.name}' [${description.inputShape.join(', ')}]: explain them one by one`,
      );
    if (description.classes.length !== classes.length)
      throw new UsageError(
        `'${name}' tells ${classes.length} classes apart and '${description.name}' ${description.classes.length}: explain them one by one`,
      );
  }
}

async function fromFiles(classifier: Classifier, files: readonly string[]): Promise<Inputs> {
  const parts: Tensor[] = [];
  const names: string[] = [];
  for (const file of files) {
    const part = await readInput(file, classifier);
    const count = part.shape[0] ?? 1;
    const name = files.length === 1 && count > 1 ? 'image' : basename(file).replace(/\.[^.]+$/, '');
    for (let i = 1; i <= count; i++) names.push(count > 1 ? `${name} ${i}` : name);
    parts.push(part);
  }
  const images = parts.length === 1 ? parts[0]! : joined(parts, files);
  const imageNumbers = names.map((_, i) => i);
  return { images, names, imageNumbers, numbers: imageNumbers.map((i) => i + 1), classes: classifier.classes };
}

function joined(parts: readonly Tensor[], files: readonly string[]): Tensor {
  const other = parts.findIndex(({ shape }) => shape.slice(1).join() !== parts[0]!.shape.slice(1).join());
  if (other > 0)
    throw new UsageError(
      `${files[0]} has the shape [${parts[0]!.shape.join(', ')}] and ${files[other]} [${parts[other]!.shape.join(', ')}]`,
    );
  return concatRows(parts);
}

async function fromDataset(
  classifiers: readonly Classifier[],
  {
    data: name,
    dataDir,
    split,
    images: numbers = USUAL,
    seed,
    compared,
  }: InputOptions & { data: string; compared: number },
  { signal, onProgress }: Terminal,
): Promise<Inputs> {
  const { description, inputShape } = classifiers[0]!;
  const count = Math.max(...numbers) + 1 + numbers.length + compared;
  if (name === 'shapes' && count > MADE)
    throw new UsageError(`there is no image ${Math.max(...numbers)}: no more than ${MADE} shapes are made here`);
  const options = { name, dataDir, split, size: inputShape[1], seed, signal, onProgress };
  // Made on the spot only as far as needed; of files, the count is not known before they are read.
  const loaded = await loadDataset(name === 'shapes' ? { ...options, count } : options);
  const missing = numbers.find((number) => number >= loaded.count);
  if (missing !== undefined)
    throw new UsageError(`there is no image ${missing}: ${name} (${split}) has ${loaded.count}, numbered from 0`);
  checkSameClassNumbers(classifiers, loaded);
  const dataset: Dataset = fitDataset(description, loaded);
  const { images, labels } = dataset.batch(numbers);
  const others = [...new Array(Math.min(dataset.count, compared + numbers.length)).keys()];
  const background = dataset.batch(others.filter((i) => !numbers.includes(i)).slice(0, compared)).images;
  const names = numbers.map((number) => `image ${number}`);
  return { images, labels, numbers, imageNumbers: numbers, names, classes: dataset.classes, background };
}
