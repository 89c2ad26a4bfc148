/** @file Data sets by name, for the command line: from files the user has, the cache folder, or made on the spot. */

import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DataError, UsageError } from '../../errors.ts';
import { decodeImage } from '../../image/node/encode.ts';
import type { Work } from '../../progress.ts';
import { sizeOf } from '../../tensor.ts';
import {
  CIFAR_FILES,
  CIFAR10_CLASSES,
  type CifarName,
  type CifarSplit,
  cifarDataset,
  cifarFromArchive,
} from '../cifar.ts';
import { type Dataset, first, fromArrays } from '../dataset.ts';
import { FASHION_MNIST_CLASSES, idxDataset, MNIST_CLASSES } from '../idx.ts';
import { type ImageFile, imagesDataset, tarImages } from '../images.ts';
import { type NpyArray, npyToTensor, parseNpz } from '../npy.ts';
import { shapes } from '../shapes/shapes.ts';
import { cacheFolder } from './cache-folder.ts';
import { readIfThere } from './files.ts';
import { folderImages } from './image-folder.ts';

/** 'conflict' exists in `shapes` only, 'all' in folders and archives of pictures. */
export type Split = 'train' | 'test' | 'conflict' | 'all';

export interface LoadOptions extends Work {
  /**
   * 'shapes', 'mnist', 'fashion-mnist', 'cifar10', 'cifar100', or the path of a folder of pictures, of a tar archive of
   * pictures, or of an .npz file with arrays `images` ([n, C, H, W] or [n, H, W], bytes or [0, 1]) and `labels`.
   */
  name: string;
  /** Default: 'test'. */
  split?: Split;
  /** Where the files are. Default: the cache folder that `fetchDataset` fills. */
  dataDir?: string;
  /** Pixels along each side, for folders and archives of pictures given by path. Default: as they are. */
  size?: number;
  /** Loads the first images only. Default: all. */
  count?: number;
  /** Of `shapes`. Default: 0. */
  seed?: number;
}

/**
 * Loads a data set.
 *
 * @throws UsageError for a name or split that does not exist
 * @throws DataError when files are missing or cannot be read; the message says how to get them
 * @example
 * const test = await loadDataset({ name: 'mnist', split: 'test', dataDir: 'data/mnist' });
 */
export async function loadDataset(options: LoadOptions): Promise<Dataset> {
  const { name, split = 'test', count, seed } = options;
  if (!['train', 'test', 'conflict', 'all'].includes(split))
    throw new UsageError(`There is no split '${split}'; use train or test`);
  if (count !== undefined && !(Number.isInteger(count) && count > 0)) {
    throw new UsageError(`count must be a whole number above 0, not ${count}`);
  }
  if (name === 'shapes') return shapes({ split: exceptAll(split, name), count, seed });
  if (split === 'conflict') throw new UsageError(`${name} has no split 'conflict'; only shapes has`);
  const dataset = await loadFiles(name, split, options);
  return count === undefined ? dataset : first(dataset, count);
}

function exceptAll<S extends Split>(split: S, name: string): Exclude<S, 'all'> {
  if (split === 'all')
    throw new UsageError(`${name} has no split 'all'; only folders and archives of pictures have one`);
  return split as Exclude<S, 'all'>;
}

function loadFiles(name: string, split: CifarSplit | 'all', options: LoadOptions): Promise<Dataset> {
  const { dataDir = join(cacheFolder(), name) } = options;
  switch (name) {
    case 'mnist':
      return loadIdx(name, exceptAll(split, name), dataDir, MNIST_CLASSES);
    case 'fashion-mnist':
      return loadIdx(name, exceptAll(split, name), dataDir, FASHION_MNIST_CLASSES);
    case 'cifar10':
    case 'cifar100':
      return loadCifar(name, exceptAll(split, name), dataDir, options);
    default:
      return loadPath(name, split, options);
  }
}

const missing = (name: string, folder: string, wanted: string): DataError =>
  new DataError(
    `${name}: ${join(folder, wanted)} is not there; run 'tempered data fetch ${name}', or name the folder with --data-dir`,
  );

async function loadIdx(name: string, split: CifarSplit, folder: string, classes: readonly string[]): Promise<Dataset> {
  const prefix = split === 'train' ? 'train' : 't10k';
  const read = async (file: string): Promise<Uint8Array> => {
    const bytes = (await readIfThere(join(folder, `${file}.gz`))) ?? (await readIfThere(join(folder, file)));
    if (!bytes) throw missing(name, folder, `${file}.gz`);
    return bytes;
  };
  const images = await read(`${prefix}-images-idx3-ubyte`);
  const labels = await read(`${prefix}-labels-idx1-ubyte`);
  return idxDataset({ name, split, classes, images, labels });
}

const CIFAR_ARCHIVES = {
  cifar10: { archive: 'cifar-10-binary.tar.gz', folder: 'cifar-10-batches-bin' },
  cifar100: { archive: 'cifar-100-binary.tar.gz', folder: 'cifar-100-binary' },
} as const;

/** The official archive, the files unpacked from it, or (CIFAR-10) the re-encoded pictures. */
async function loadCifar(name: CifarName, split: CifarSplit, dataDir: string, options: LoadOptions): Promise<Dataset> {
  const { archive, folder } = CIFAR_ARCHIVES[name];
  const packed = await readIfThere(join(dataDir, archive));
  if (packed) return cifarFromArchive(packed, { name, split });

  for (const place of [dataDir, join(dataDir, folder)]) {
    const wanted = CIFAR_FILES[name][split];
    const found = await Promise.all(
      wanted.map(
        async (file) => (await readIfThere(join(place, file))) ?? (await readIfThere(join(place, `${file}.gz`))),
      ),
    );
    const files = found.filter((bytes) => bytes !== undefined);
    if (files.length === wanted.length) return cifarDataset(files, { name, split });
  }

  const jpeg = name === 'cifar10' ? await readIfThere(join(dataDir, 'cifar10-jpeg.tar.gz')) : undefined;
  if (!jpeg) throw missing(name, dataDir, archive);
  const { files } = tarImages(jpeg, split, 'cifar10-jpeg.tar.gz');
  return loadPictures(files, {
    ...options,
    size: undefined,
    split,
    classes: CIFAR10_CLASSES,
    note: 'read from a JPEG re-encoding, not the original pixels: figures differ a little from published ones',
  });
}

async function loadPath(path: string, split: CifarSplit | 'all', options: LoadOptions): Promise<Dataset> {
  const found = await stat(path).catch(() => undefined);
  if (!found) {
    throw new UsageError(
      `There is no data set or path '${path}'; known are shapes, mnist, fashion-mnist, cifar10, cifar100, or give a folder`,
    );
  }
  if (found.isDirectory()) {
    const { files, classes, note } = await folderImages(path, split);
    return loadPictures(files, { ...options, name: basename(path), split, classes, note });
  }
  const bytes = await readIfThere(path);
  if (!bytes) throw new DataError(`${path} is not there any more`);
  if (/\.npz$/i.test(path)) return npzDataset(bytes, basename(path), exceptAll(split, path));
  if (/\.(tar|tar\.gz|tgz)$/i.test(path)) {
    const { files, classes } = tarImages(bytes, split, basename(path));
    return loadPictures(files, { ...options, name: basename(path), split, classes });
  }
  throw new UsageError(`${path} is no data set; give a folder of pictures, a .tar(.gz) of pictures, or an .npz file`);
}

interface Pictures extends LoadOptions {
  split: CifarSplit | 'all';
  classes: readonly string[];
  note?: string;
}

/** Only the pictures asked for are decoded. */
function loadPictures(files: readonly ImageFile[], options: Pictures): Promise<Dataset> {
  return imagesDataset(files.slice(0, options.count), { ...options, decode: decodeImage });
}

function npzDataset(bytes: Uint8Array, name: string, split: string): Dataset {
  const arrays = parseNpz(bytes, name);
  const images = arrays.get('images');
  const labels = arrays.get('labels');
  if (!images || !labels) throw new DataError(`${name}: it must hold arrays called 'images' and 'labels'`);
  const [count, ...rest] = images.shape;
  const imageShape = rest.length === 2 ? [1, ...rest] : rest;
  const [channels, height, width] = imageShape;
  if (imageShape.length !== 3 || !channels || !height || !width || sizeOf(labels.shape) !== count) {
    throw new DataError(
      `${name}: images must be [n, C, H, W] or [n, H, W] and labels [n], not [${images.shape}] and [${labels.shape}]`,
    );
  }
  const values = npyToTensor(labels).data;
  if (!values.every((label) => Number.isInteger(label) && label >= 0 && label < 100_000)) {
    throw new DataError(`${name}: labels must be whole numbers from 0`);
  }
  const last = values.reduce((largest, label) => Math.max(largest, label), 0);
  return fromArrays({
    name,
    split,
    classes: Array.from({ length: last + 1 }, (_, label) => String(label)),
    imageShape: [channels, height, width],
    pixels: pixelsOf(images, name),
    labels: values,
  });
}

function pixelsOf(images: NpyArray, name: string): Uint8Array | Float32Array {
  if (images.data instanceof Uint8Array) return images.data;
  const { data } = npyToTensor(images);
  if (!data.every((value) => value >= 0 && value <= 1)) {
    throw new DataError(`${name}: images must be bytes, or numbers in [0, 1]`);
  }
  return data;
}
