/** @file What every data set looks like to the rest of Tempered, and the one way they are kept: 8-bit or float pixels, planar. */

import { DataError } from '../errors.ts';
import type { Random } from '../random.ts';
import { sizeOf, type Tensor, zeros } from '../tensor.ts';

export interface Dataset {
  /** "shapes", "mnist", or the folder it was read from. */
  readonly name: string;
  /** "train", "test", "conflict". */
  readonly split: string;
  readonly classes: readonly string[];
  /** [channels, height, width] */
  readonly imageShape: readonly [number, number, number];
  readonly count: number;
  /** float32 [n, C, H, W] in [0, 1], and the labels, of the images at `indices`. */
  batch(indices: ArrayLike<number>): { images: Tensor; labels: Int32Array };
  /** Ground-truth object masks [n, 1, H, W] of 0 and 1, where the data set has them. */
  masks?(indices: ArrayLike<number>): Tensor;
  /** What a reader of the figures should know: a re-encoding, a non-standard split. */
  readonly note?: string;
}

export interface DatasetArrays {
  name: string;
  split: string;
  classes: readonly string[];
  imageShape: readonly [number, number, number];
  /** [n, C, H, W]; bytes stand for value / 255, floats are in [0, 1] already. */
  pixels: Uint8Array | Float32Array;
  labels: ArrayLike<number>;
  /** [n, H, W] of 0 and 1. */
  masks?: Uint8Array;
  note?: string;
}

const BYTE_TO_UNIT = Float32Array.from({ length: 256 }, (_, value) => value / 255);

/**
 * A data set over arrays in memory; they are kept, not copied.
 *
 * @throws DataError when the sizes do not agree or a label has no class.
 */
export function fromArrays(arrays: DatasetArrays): Dataset {
  const { name, split, classes, imageShape, pixels, masks, note } = arrays;
  const labels = Int32Array.from(arrays.labels);
  const [, height, width] = imageShape;
  const size = sizeOf(imageShape);
  const area = height * width;
  const count = labels.length;
  if (pixels.length !== count * size) {
    throw new DataError(`${name}: ${count} labels need ${count * size} pixel values, but there are ${pixels.length}`);
  }
  if (masks && masks.length !== count * area) {
    throw new DataError(`${name}: ${count} masks need ${count * area} values, but there are ${masks.length}`);
  }
  const stray = labels.findIndex((label) => label < 0 || label >= classes.length);
  if (stray >= 0) {
    throw new DataError(`${name}: image ${stray} has label ${labels[stray]}, but there are ${classes.length} classes`);
  }

  const checked = (index: number): number => {
    if (index >= 0 && index < count) return index;
    throw new RangeError(`${name}: no image ${index} among ${count}`);
  };

  return {
    name,
    split,
    classes,
    imageShape,
    count,
    note,
    batch(indices) {
      const images = zeros([indices.length, ...imageShape]);
      const chosen = new Int32Array(indices.length);
      for (let i = 0; i < indices.length; i++) {
        const index = checked(indices[i]!);
        const source = pixels.subarray(index * size, (index + 1) * size);
        if (source instanceof Float32Array) images.data.set(source, i * size);
        else for (let p = 0; p < size; p++) images.data[i * size + p] = BYTE_TO_UNIT[source[p]!]!;
        chosen[i] = labels[index]!;
      }
      return { images, labels: chosen };
    },
    masks:
      masks &&
      ((indices) => {
        const result = zeros([indices.length, 1, height, width]);
        for (let i = 0; i < indices.length; i++) {
          const index = checked(indices[i]!);
          result.data.set(masks.subarray(index * area, (index + 1) * area), i * area);
        }
        return result;
      }),
  };
}

/** The images at `indices`, in that order, as a data set of their own. */
export function subset(dataset: Dataset, indices: ArrayLike<number>): Dataset {
  const kept = Uint32Array.from(indices);
  const stray = kept.find((index) => index >= dataset.count);
  if (stray !== undefined) throw new RangeError(`${dataset.name}: no image ${stray} among ${dataset.count}`);
  const translate = (chosen: ArrayLike<number>) =>
    Uint32Array.from({ length: chosen.length }, (_, i) => {
      const index = kept[chosen[i]!];
      if (index === undefined) throw new RangeError(`${dataset.name}: no image ${chosen[i]} among ${kept.length}`);
      return index;
    });
  const { masks } = dataset;
  return {
    ...dataset,
    count: kept.length,
    batch: (chosen) => dataset.batch(translate(chosen)),
    masks: masks && ((chosen) => masks(translate(chosen))),
  };
}

/** The first `count` images, or all of them when there are fewer. */
export function first(dataset: Dataset, count: number): Dataset {
  return subset(
    dataset,
    Uint32Array.from({ length: Math.min(count, dataset.count) }, (_, i) => i),
  );
}

export interface BatchesOptions {
  batchSize: number;
  /** Shuffles the images with this generator. Default: file order. */
  shuffle?: Random;
  /** Leaves out a last batch that is not full. Default: false. */
  dropLast?: boolean;
}

/** Goes once through the data set: index arrays to give to `dataset.batch`. */
export function* batches(dataset: Dataset, options: BatchesOptions): Generator<Uint32Array> {
  const { batchSize, shuffle, dropLast = false } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new RangeError(`batchSize must be 1 or more, not ${batchSize}`);
  const order = shuffle ? shuffle.shuffle(dataset.count) : Uint32Array.from({ length: dataset.count }, (_, i) => i);
  for (let start = 0; start < order.length; start += batchSize) {
    const indices = order.slice(start, start + batchSize);
    if (dropLast && indices.length < batchSize) return;
    yield indices;
  }
}
