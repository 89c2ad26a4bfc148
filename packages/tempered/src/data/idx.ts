/** @file IDX, the format of MNIST and Fashion-MNIST: a magic number, the dimensions (big-endian), then unsigned bytes. */

import { DataError } from '../errors.ts';
import { sizeOf } from '../tensor.ts';
import { type Dataset, fromArrays } from './dataset.ts';
import { gunzip } from './gzip.ts';

export interface IdxArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

const UNSIGNED_BYTE = 0x08;
/** Ten times the largest file of MNIST, unpacked. */
const MOST_BYTES = 2 ** 29;

/**
 * Reads an IDX file of unsigned bytes, gzipped or not.
 *
 * @param name what to call the file in errors
 * @throws DataError when it is not such a file, or is not as long as its dimensions say
 */
export function parseIdx(file: Uint8Array, name = 'IDX file'): IdxArray {
  const bytes = gunzip(file, name, MOST_BYTES);
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0) {
    throw new DataError(`${name}: not an IDX file (it does not start with two zero bytes)`);
  }
  if (bytes[2] !== UNSIGNED_BYTE) {
    throw new DataError(
      `${name}: holds IDX element type 0x${bytes[2]!.toString(16)}; only unsigned bytes (0x8) are read`,
    );
  }
  const rank = bytes[3]!;
  const start = 4 + 4 * rank;
  if (rank < 1 || bytes.length < start) throw new DataError(`${name}: the IDX header is truncated`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const size = sizeOf(shape);
  if (bytes.length - start !== size) {
    throw new DataError(`${name}: ${shape.join('×')} values were announced, but ${bytes.length - start} bytes follow`);
  }
  return { shape, data: bytes.subarray(start) };
}

export interface IdxDatasetOptions {
  name: string;
  split: string;
  classes: readonly string[];
  /** The images file, [n, height, width], gzipped or not. */
  images: Uint8Array;
  /** The labels file, [n]. */
  labels: Uint8Array;
}

/**
 * A data set of grey images from its two IDX files.
 *
 * @throws DataError when a file cannot be read or the two do not belong together
 */
export function idxDataset(options: IdxDatasetOptions): Dataset {
  const { name, split, classes } = options;
  const images = parseIdx(options.images, `${name} ${split} images`);
  const labels = parseIdx(options.labels, `${name} ${split} labels`);
  const [count, height, width] = images.shape;
  if (images.shape.length !== 3 || !height || !width) {
    throw new DataError(`${name}: images must be [n, height, width], not [${images.shape.join(', ')}]`);
  }
  if (labels.shape.length !== 1 || labels.shape[0] !== count) {
    throw new DataError(`${name}: ${count} images, but labels of shape [${labels.shape.join(', ')}]`);
  }
  return fromArrays({
    name,
    split,
    classes,
    imageShape: [1, height, width],
    pixels: images.data,
    labels: labels.data,
  });
}

export const MNIST_CLASSES: readonly string[] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];

export const FASHION_MNIST_CLASSES: readonly string[] = [
  'T-shirt/top',
  'trouser',
  'pullover',
  'dress',
  'coat',
  'sandal',
  'shirt',
  'sneaker',
  'bag',
  'ankle boot',
];
