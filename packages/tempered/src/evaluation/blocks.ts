/** @file Data sets taken apart: they keep their pixels as bytes, and may be too large to be floats at once. */
import type { Dataset } from '../data/dataset.ts';
import { defaultBatchSize } from '../models/batching.ts';
import type { Classifier } from '../models/classifier.ts';
import type { Tensor } from '../tensor.ts';

export interface Block {
  /** Numbers of the images in the data set. */
  readonly imageNumbers: Uint32Array;
  readonly images: Tensor;
  readonly labels: Int32Array;
  /** Images in the blocks before this one, and in all. */
  readonly before: number;
  readonly total: number;
}

/** Batches that are turned into floats at a time. */
const BATCHES = 20;

export interface BlocksOptions {
  dataset: Dataset;
  batchSize?: number;
  /** Default: every image. */
  numbers?: Uint32Array;
}

/** The images some at a time, in parts of almost equal length: a short last one would need programs of its own. */
export function* inBlocks(
  { description }: Classifier,
  { dataset, batchSize = defaultBatchSize(description), numbers = allNumbers(dataset) }: BlocksOptions,
): Generator<Block> {
  const total = numbers.length;
  const parts = Math.ceil(total / (BATCHES * batchSize));
  for (let part = 0; part < parts; part++) {
    const [before, end] = [part, part + 1].map((k) => Math.round((k * total) / parts)) as [number, number];
    const imageNumbers = numbers.subarray(before, end);
    yield { ...dataset.batch(imageNumbers), imageNumbers, before, total };
  }
}

const allNumbers = ({ count }: Dataset): Uint32Array => Uint32Array.from({ length: count }, (_, i) => i);
