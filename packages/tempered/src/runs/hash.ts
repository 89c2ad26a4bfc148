/** @file Node only. The hashes of a manifest. */
import { createHash } from 'node:crypto';
import type { Dataset } from '../data/dataset.ts';

/** SHA-256 of a file's bytes, in hexadecimal. */
export const hashBytes = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** SHA-256 of a data set's pixels and labels, in hexadecimal. */
export function hashDataset(dataset: Dataset): string {
  const hash = createHash('sha256');
  const step = 1000;
  for (let start = 0; start < dataset.count; start += step) {
    const count = Math.min(step, dataset.count - start);
    const { images, labels } = dataset.batch(Uint32Array.from({ length: count }, (_, i) => start + i));
    hash.update(images.data).update(labels);
  }
  return hash.digest('hex');
}
