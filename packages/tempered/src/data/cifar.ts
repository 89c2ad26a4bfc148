/**
 * @file The binary versions of CIFAR-10 and CIFAR-100 (A. Krizhevsky, "Learning Multiple Layers of Features from Tiny
 * Images", 2009): records of one or two label bytes and 3 × 32 × 32 bytes of red, green and blue planes.
 */

import { DataError } from '../errors.ts';
import { type Dataset, fromArrays } from './dataset.ts';
import { gunzip } from './gzip.ts';
import { readTar } from './tar.ts';

export type CifarName = 'cifar10' | 'cifar100';
export type CifarSplit = 'train' | 'test';

const PIXELS = 3 * 32 * 32;
/** Of one file, unpacked; the largest official one has 154 MB. */
const MOST_BYTES = 2 ** 29;

/** The files of each split, in order, as they are called in the official archives. */
export const CIFAR_FILES: Readonly<Record<CifarName, Readonly<Record<CifarSplit, readonly string[]>>>> = {
  cifar10: {
    train: [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.bin`),
    test: ['test_batch.bin'],
  },
  cifar100: { train: ['train.bin'], test: ['test.bin'] },
};

export interface CifarOptions {
  name: CifarName;
  split: CifarSplit;
  note?: string;
}

/**
 * A data set from binary files, gzipped or not, one after the other. CIFAR-100 is read with its 100 fine labels.
 *
 * @throws DataError when a file is not a whole number of records
 */
export function cifarDataset(files: readonly Uint8Array[], { name, split, note }: CifarOptions): Dataset {
  // CIFAR-100 has a coarse label before the fine one.
  const labelBytes = name === 'cifar10' ? 1 : 2;
  const record = labelBytes + PIXELS;
  const parts = files.map((file) => gunzip(file, `${name} ${split}`, MOST_BYTES));
  for (const part of parts) {
    if (part.length === 0 || part.length % record !== 0) {
      throw new DataError(
        `${name} ${split}: ${part.length} bytes are not a whole number of records of ${record} bytes`,
      );
    }
  }
  const count = parts.reduce((total, part) => total + part.length / record, 0);
  const pixels = new Uint8Array(count * PIXELS);
  const labels = new Uint8Array(count);
  let image = 0;
  for (const part of parts) {
    for (let start = 0; start < part.length; start += record) {
      labels[image] = part[start + labelBytes - 1]!;
      pixels.set(part.subarray(start + labelBytes, start + record), image * PIXELS);
      image++;
    }
  }
  const classes = name === 'cifar10' ? CIFAR10_CLASSES : CIFAR100_CLASSES;
  return fromArrays({ name, split, classes, imageShape: [3, 32, 32], pixels, labels, note });
}

/**
 * A data set from the official archive, `cifar-10-binary.tar.gz` or `cifar-100-binary.tar.gz`.
 *
 * @throws DataError when the archive cannot be read or lacks a file
 */
export function cifarFromArchive(archive: Uint8Array, options: CifarOptions): Dataset {
  const { name, split } = options;
  const members = readTar(archive, `${name} archive`);
  const files = CIFAR_FILES[name][split].map((wanted) => {
    const member = members.find((file) => file.name.split('/').at(-1) === wanted);
    if (!member) throw new DataError(`${name} archive: it holds no ${wanted}`);
    return member.data;
  });
  return cifarDataset(files, options);
}

export const CIFAR10_CLASSES: readonly string[] = 'airplane automobile bird cat deer dog frog horse ship truck'.split(
  ' ',
);

/** The fine labels, in the order of `fine_label_names.txt`. */
export const CIFAR100_CLASSES: readonly string[] = [
  'apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle',
  'caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish',
  'forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle',
  'mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine',
  'possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar',
  'sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale',
  'willow_tree wolf woman worm',
].flatMap((line) => line.split(' '));
