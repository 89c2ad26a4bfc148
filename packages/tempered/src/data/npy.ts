/**
 * @file NumPy's .npy (format versions 1 to 3) and .npz files, read and written.
 * Specification: numpy.lib.format, "A simple format for saving numpy arrays to disk".
 */

import { unzipSync, zipSync } from 'fflate';
import { DataError } from '../errors.ts';
import { sizeOf, type Tensor } from '../tensor.ts';

export type NpyData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

export interface NpyArray {
  readonly shape: readonly number[];
  /** Row-major, whatever order the file had. Booleans are bytes of 0 and 1. */
  readonly data: NpyData;
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY

/** By type string, without the byte order. */
const READERS: Readonly<
  Record<string, { bytes: number; read(view: DataView, count: number, little: boolean): NpyData }>
> = {
  f4: { bytes: 4, read: (v, n, le) => Float32Array.from({ length: n }, (_, i) => v.getFloat32(4 * i, le)) },
  f8: { bytes: 8, read: (v, n, le) => Float64Array.from({ length: n }, (_, i) => v.getFloat64(8 * i, le)) },
  i1: { bytes: 1, read: (v, n) => Int8Array.from({ length: n }, (_, i) => v.getInt8(i)) },
  i2: { bytes: 2, read: (v, n, le) => Int16Array.from({ length: n }, (_, i) => v.getInt16(2 * i, le)) },
  i4: { bytes: 4, read: (v, n, le) => Int32Array.from({ length: n }, (_, i) => v.getInt32(4 * i, le)) },
  i8: { bytes: 8, read: (v, n, le) => BigInt64Array.from({ length: n }, (_, i) => v.getBigInt64(8 * i, le)) },
  u1: { bytes: 1, read: (v, n) => new Uint8Array(v.buffer, v.byteOffset, n).slice() },
  u2: { bytes: 2, read: (v, n, le) => Uint16Array.from({ length: n }, (_, i) => v.getUint16(2 * i, le)) },
  u4: { bytes: 4, read: (v, n, le) => Uint32Array.from({ length: n }, (_, i) => v.getUint32(4 * i, le)) },
  u8: { bytes: 8, read: (v, n, le) => BigUint64Array.from({ length: n }, (_, i) => v.getBigUint64(8 * i, le)) },
  b1: { bytes: 1, read: (v, n) => Uint8Array.from({ length: n }, (_, i) => (v.getUint8(i) ? 1 : 0)) },
};

/**
 * Reads a .npy file: floating-point (32, 64 bits), integer, unsigned and boolean arrays of any rank, either byte order,
 * C or Fortran order.
 *
 * @param name what to call the file in errors
 * @throws DataError when it is not such a file, or is not as long as its header says
 * @example
 * const { shape, data } = parseNpy(await readFile('x.npy'));
 */
export function parseNpy(bytes: Uint8Array, name = '.npy file'): NpyArray {
  if (bytes.length < 12 || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw new DataError(`${name}: not a .npy file (it does not start with \\x93NUMPY)`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = bytes[6]!;
  if (version < 1 || version > 3) throw new DataError(`${name}: .npy version ${version} is not known; 1 to 3 are read`);
  const headerStart = version === 1 ? 10 : 12;
  const start = headerStart + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (start > bytes.length) throw new DataError(`${name}: the .npy header is truncated`);

  const { order, type, fortran, shape } = parseHeader(
    new TextDecoder(version === 3 ? 'utf-8' : 'latin1').decode(bytes.subarray(headerStart, start)),
    name,
  );
  const reader = Object.hasOwn(READERS, type) ? READERS[type] : undefined;
  if (!reader)
    throw new DataError(`${name}: elements of type '${type}' are not read; use float32, float64, integers or bool`);
  const count = sizeOf(shape);
  if (bytes.length - start !== count * reader.bytes) {
    throw new DataError(
      `${name}: shape (${shape.join(', ')}) needs ${count * reader.bytes} bytes, but ${bytes.length - start} follow`,
    );
  }
  const body = new DataView(bytes.buffer, bytes.byteOffset + start, bytes.length - start);
  const data = reader.read(body, count, order !== '>');
  return { shape, data: fortran && shape.length > 1 ? fromFortranOrder(data, shape) : data };
}

interface Header {
  order: string;
  type: string;
  fortran: boolean;
  shape: number[];
}

/** The header is a Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } */
function parseHeader(text: string, name: string): Header {
  const descr = /'descr'\s*:\s*'([<>|=]?)(\w+)'/.exec(text);
  const fortran = /'fortran_order'\s*:\s*(True|False)/.exec(text);
  const shape = /'shape'\s*:\s*\(([\d\s,]*)\)/.exec(text);
  if (!descr)
    throw new DataError(`${name}: the .npy header names no simple element type (structured arrays are not read)`);
  if (!fortran || !shape) throw new DataError(`${name}: the .npy header is not readable`);
  const dimensions = shape[1]!.split(',').map((part) => part.trim());
  if (dimensions.at(-1) === '') dimensions.pop();
  const sizes = dimensions.map((part) => (/^\d{1,15}$/.test(part) ? Number(part) : Number.NaN));
  if (sizes.length > 64 || sizes.some(Number.isNaN))
    throw new DataError(`${name}: the .npy header has no readable shape`);
  return { order: descr[1]!, type: descr[2]!, fortran: fortran[1] === 'True', shape: sizes };
}

/** Fortran order is the C order of the reversed shape: copies element by element to its place. */
function fromFortranOrder<T extends NpyData>(data: T, shape: readonly number[]): T {
  const result = data.slice() as T;
  const steps = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const position = shape.map(() => 0);
  let target = 0;
  for (let source = 0; source < data.length; source++) {
    result[target] = data[source]!;
    // The next position, the first axis turning fastest.
    for (let axis = 0; axis < shape.length; axis++) {
      target += steps[axis]!;
      if (++position[axis]! < shape[axis]!) break;
      target -= steps[axis]! * shape[axis]!;
      position[axis] = 0;
    }
  }
  return result;
}

/** The array as a float32 tensor; 64-bit integers and floats are rounded. */
export function npyToTensor({ shape, data }: NpyArray): Tensor {
  if (data instanceof Float32Array) return { shape, data };
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    return { shape, data: Float32Array.from(data, Number) };
  }
  return { shape, data: Float32Array.from(data) };
}

export interface WriteNpyOptions {
  /** Writes bytes as booleans. Default: false. */
  bool?: boolean;
}

/**
 * A .npy file (version 1.0, C order, little-endian), of the element type of `data`.
 *
 * @throws RangeError when the data does not fill the shape
 */
export function writeNpy({ shape, data }: NpyArray, { bool = false }: WriteNpyOptions = {}): Uint8Array {
  if (sizeOf(shape) !== data.length) throw new RangeError(`${data.length} values do not fill (${shape.join(', ')})`);
  const type = bool ? 'b1' : typeOf(data);
  const order = data.BYTES_PER_ELEMENT === 1 ? '|' : '<';
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const dictionary = `{'descr': '${order}${type}', 'fortran_order': False, 'shape': (${tuple}), }`;
  // The header ends with a newline on a multiple of 64 bytes.
  const length = Math.ceil((10 + dictionary.length + 1) / 64) * 64 - 10;
  const bytes = new Uint8Array(10 + length + data.byteLength);
  bytes.set(MAGIC);
  bytes.set([1, 0, length & 255, length >> 8], 6);
  bytes.set(new TextEncoder().encode(`${dictionary.padEnd(length - 1)}\n`), 10);
  // Every platform that runs JavaScript engines of today is little-endian.
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 10 + length);
  return bytes;
}

function typeOf(data: NpyData): string {
  if (data instanceof Float32Array) return 'f4';
  if (data instanceof Float64Array) return 'f8';
  const signed =
    data instanceof Int8Array ||
    data instanceof Int16Array ||
    data instanceof Int32Array ||
    data instanceof BigInt64Array;
  return `${signed ? 'i' : 'u'}${data.BYTES_PER_ELEMENT}`;
}

/** Most files in an archive, and most bytes they may unpack to. */
const NPZ_ENTRIES = 10_000;
const NPZ_BYTES = 2 ** 31;

/**
 * Reads a .npz archive: its arrays by name (without ".npy").
 *
 * @throws DataError when the archive or an array in it cannot be read
 */
export function parseNpz(bytes: Uint8Array, name = '.npz file'): Map<string, NpyArray> {
  const files = unzip(bytes, name);
  const arrays = new Map<string, NpyArray>();
  for (const [path, content] of Object.entries(files)) {
    if (path.endsWith('.npy')) arrays.set(path.slice(0, -4), parseNpy(content, `${name}: ${path}`));
  }
  return arrays;
}

function unzip(bytes: Uint8Array, name: string): Record<string, Uint8Array> {
  let entries = 0;
  let total = 0;
  try {
    return unzipSync(bytes, {
      filter: (file) => {
        // Deflate cannot do better than about 1 : 1032, so a larger claim is a lie, and nothing is allocated for it.
        total += file.originalSize;
        const plausible = file.originalSize <= 1100 * (file.size + 64) && file.size <= bytes.length;
        if (++entries > NPZ_ENTRIES || total > NPZ_BYTES || !plausible) throw new RangeError('too large');
        return true;
      },
    });
  } catch {
    throw new DataError(`${name}: not a readable .npz (zip) archive`);
  }
}

export interface WriteNpzOptions {
  /** Deflates the arrays. Default: true. Weights hardly shrink, and take seconds to deflate. */
  compress?: boolean;
}

/** A .npz archive of the arrays. */
export function writeNpz(
  arrays: Readonly<Record<string, NpyArray>>,
  { compress = true }: WriteNpzOptions = {},
): Uint8Array {
  const files = Object.entries(arrays).map(([name, array]) => [`${name}.npy`, writeNpy(array)] as const);
  return zipSync(Object.fromEntries(files), { level: compress ? 6 : 0 });
}
