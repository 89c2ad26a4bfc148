/** @file Node only. The hashes of a manifest. */
import { createHash } from 'node:crypto';
import { parseModel } from 'onnx-grad';
import type { Dataset } from '../data/dataset.ts';
import { externalDataBeside, namingFile, readModelBytes } from '../models/node/load.ts';

/** SHA-256 of a file's bytes, in hexadecimal. */
export const hashBytes = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/**
 * SHA-256 of an ONNX file, in hexadecimal, as `sha256sum` has it; of one whose weights lie in files beside it, of the
 * file and these, one after the other.
 *
 * @throws DataError when the file cannot be read; ModelError when it is no ONNX model
 */
export async function hashModelFile(path: string): Promise<string> {
  const bytes = await readModelBytes(path);
  const hash = createHash('sha256').update(bytes);
  const read = externalDataBeside(path);
  // Parsing asks for each file once, in the order of the graph.
  const externalData = (location: string): Uint8Array => {
    const data = read(location);
    hash.update(data);
    return data;
  };
  namingFile(path, () => parseModel(bytes, { externalData }));
  return hash.digest('hex');
}

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
