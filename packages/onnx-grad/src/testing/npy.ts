import { readFileSync } from 'node:fs';
import type { NumericArray } from '../evaluate/array.ts';

/** Reads a NumPy file of little-endian floats in row-major order. */
export function readNpy(path: string): NumericArray {
  const bytes = readFileSync(path);
  const headerLength = bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, 10 + headerLength);
  const type = /'descr': *'(<f4|<f8)'/.exec(header)?.[1];
  if (type === undefined || header.includes("'fortran_order': True"))
    throw new Error(`${path}: unexpected header ${header}`);
  const shape = [.../'shape': *\(([^)]*)\)/.exec(header)![1]!.matchAll(/\d+/g)].map(Number);
  const content = new Uint8Array(bytes.subarray(10 + headerLength)).buffer;
  return type === '<f4'
    ? { dtype: 'float32', shape, data: new Float32Array(content) }
    : { dtype: 'float64', shape, data: new Float64Array(content) };
}

/** max |a − b| / max |b| */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let scale = 0;
  for (let i = 0; i < expected.length; i += 1) {
    // Math.max keeps NaN, so that a NaN on either side is an error.
    difference = Math.max(difference, Math.abs(actual[i]! - expected[i]!));
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  return difference === 0 ? 0 : difference / scale;
}
