import { UsageError } from '../errors.ts';
import type { HostTensor } from '../runtime/runtime.ts';
import { rows, sizeOf, type Tensor, zeros } from '../tensor.ts';
import type { ModelDescription } from './classifier.ts';

/** The one batch size that the inside of a model is made for; most models take any. */
export function fixedBatch({ graph, input }: ModelDescription): number | undefined {
  const declared = graph.inputs.find(({ name }) => name === input)?.shape?.[0];
  return typeof declared === 'number' ? declared : undefined;
}

/** Images a run when the caller does not say: enough to fill the cores, but no more than two million values. */
export function defaultBatchSize(model: ModelDescription): number {
  return fixedBatch(model) ?? Math.max(1, Math.min(50, Math.floor(2 ** 21 / sizeOf(model.inputShape))));
}

/** Throws a UsageError unless a batch size is a whole number above 0. */
export function checkBatchSize(batchSize: number): void {
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new UsageError(`the batch size must be a whole number, 1 or more, not ${batchSize}`);
}

export interface Chunk {
  readonly start: number;
  /** One past the last row. */
  readonly end: number;
}

/**
 * Cuts `count` rows into runs of one size, so that one compiled program serves all of them: `batchSize`, or for fewer
 * rows the next power of two, so that few programs serve all counts. A model made for one batch size always gets that.
 * The last chunk may be shorter; `padRows` fills it up.
 */
export function chunks(count: number, batchSize: number, model: ModelDescription): { batch: number; chunks: Chunk[] } {
  checkBatchSize(batchSize);
  const batch = fixedBatch(model) ?? Math.min(batchSize, 2 ** Math.ceil(Math.log2(Math.max(1, count))));
  const list: Chunk[] = [];
  for (let start = 0; start < count; start += batch) list.push({ start, end: Math.min(start + batch, count) });
  return { batch, chunks: list };
}

/** Rows of a chunk, padded with copies of its last row to `batch` rows. */
export function padRows(tensor: Tensor, { start, end }: Chunk, batch: number): Tensor {
  const part = rows(tensor, start, end);
  if (end - start === batch) return part;
  const result = zeros([batch, ...part.shape.slice(1)]);
  const size = sizeOf(part.shape.slice(1));
  result.data.set(part.data);
  const last = part.data.subarray(part.data.length - size);
  for (let row = end - start; row < batch; row++) result.data.set(last, row * size);
  return result;
}

export function padLabels(labels: ArrayLike<number>, { start, end }: Chunk, batch: number): Int32Array {
  return Int32Array.from({ length: batch }, (_, i) => labels[Math.min(start + i, end - 1)]!);
}

/** float32 [labels.length, classes] with a one at each label. */
export function oneHot(labels: ArrayLike<number>, classes: number): Tensor {
  const result = zeros([labels.length, classes]);
  for (let i = 0; i < labels.length; i++) result.data[i * classes + labels[i]!] = 1;
  return result;
}

export const feed = (tensor: Tensor): HostTensor => ({ dtype: 'float32', shape: tensor.shape, data: tensor.data });

export const scalar = (value: number): HostTensor => ({ dtype: 'float32', shape: [], data: Float32Array.of(value) });

/** The float32 content of a fetched output. */
export function floats(tensor: HostTensor): Float32Array {
  if (!(tensor.data instanceof Float32Array)) throw new TypeError(`expected float32, got ${tensor.dtype}`);
  return tensor.data;
}
