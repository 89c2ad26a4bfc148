/**
 * @file The arrays the evaluator works on: like tensors, but every element is a JavaScript number.
 * 64-bit integers are widened to Float64Array, so they are exact up to 2^53 and saturate beyond, which is all that
 * shape arithmetic needs. Operators that only move elements keep the array type; arithmetic returns Float64Array.
 */
import { type DataType, sizeOf, type Tensor } from '../graph.ts';

export type Numbers =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array;

export interface NumericArray {
  readonly dtype: DataType;
  readonly shape: readonly number[];
  readonly data: Numbers;
}

export function zeros(dtype: DataType, shape: readonly number[]): NumericArray {
  return { dtype, shape, data: new Float64Array(sizeOf(shape)) };
}

export function toNumeric(tensor: Tensor): NumericArray {
  const { dtype, shape, data } = tensor;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    const numbers = new Float64Array(data.length);
    for (let i = 0; i < numbers.length; i += 1) numbers[i] = Number(data[i]);
    return { dtype, shape, data: numbers };
  }
  if (Array.isArray(data)) throw new TypeError('a string tensor holds no numbers');
  if (dtype === 'float16') return { dtype, shape, data: fill(new Float64Array(data.length), data, halfToNumber) };
  if (dtype === 'bfloat16') return { dtype, shape, data: fill(new Float64Array(data.length), data, bfloatToNumber) };
  return { dtype, shape, data };
}

/** Rounds to the element type. Values out of range saturate in 64-bit integers and wrap in narrower ones, as in C. */
export function toTensor(array: NumericArray): Tensor {
  const { dtype, shape, data } = array;
  switch (dtype) {
    case 'float32':
      return { dtype, shape, data: data instanceof Float32Array ? data : new Float32Array(data) };
    case 'float64':
      return { dtype, shape, data: data instanceof Float64Array ? data : new Float64Array(data) };
    case 'int64':
      return { dtype, shape, data: toBigInts(data) };
    case 'uint64':
      return {
        dtype,
        shape,
        data: BigUint64Array.from(data as ArrayLike<number>, (x) => BigInt(Math.max(0, Math.trunc(x)))),
      };
    case 'int32':
      return { dtype, shape, data: new Int32Array(data) };
    case 'int16':
      return { dtype, shape, data: new Int16Array(data) };
    case 'int8':
      return { dtype, shape, data: new Int8Array(data) };
    case 'uint32':
      return { dtype, shape, data: new Uint32Array(data) };
    case 'uint16':
      return { dtype, shape, data: new Uint16Array(data) };
    case 'uint8':
      return { dtype, shape, data: new Uint8Array(data) };
    case 'bool':
      return { dtype, shape, data: fill(new Uint8Array(data.length), data, (x) => (x === 0 ? 0 : 1)) };
    case 'float16':
      return { dtype, shape, data: fill(new Uint16Array(data.length), data, numberToHalf) };
    case 'bfloat16':
      return { dtype, shape, data: fill(new Uint16Array(data.length), data, numberToBfloat) };
    case 'string':
      throw new TypeError('numbers cannot become a string tensor');
  }
}

const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);

/** Fills `result` by a plain loop: typed arrays' `from` with a function takes fifty times as long. */
function fill<T extends Numbers>(result: T, data: ArrayLike<number>, convert: (x: number) => number): T {
  for (let i = 0; i < result.length; i++) result[i] = convert(data[i]!);
  return result;
}

/** A loop of its own, several times as fast as BigInt64Array.from. */
function toBigInts(data: Numbers): BigInt64Array<ArrayBuffer> {
  const integers = new BigInt64Array(data.length);
  for (let i = 0; i < integers.length; i += 1) integers[i] = toBigInt64(data[i]!);
  return integers;
}

function toBigInt64(x: number): bigint {
  if (Number.isNaN(x)) return 0n;
  if (x >= 2 ** 63) return MAX_INT64;
  if (x <= -(2 ** 63)) return MIN_INT64;
  return BigInt(Math.trunc(x));
}

const float32 = new Float32Array(1);
const bits = new Uint32Array(float32.buffer);

function bfloatToNumber(half: number): number {
  bits[0] = half << 16;
  return float32[0]!;
}

function numberToBfloat(x: number): number {
  float32[0] = x;
  const word = bits[0]!;
  if (Number.isNaN(x)) return (word >>> 16) | 0x40;
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

export function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Round to nearest, ties to even. */
export function numberToHalf(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(x);
  if (Number.isNaN(x)) return 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  const exponent = magnitude < 2 ** -14 ? -14 : Math.floor(Math.log2(magnitude));
  const scaled = magnitude * 2 ** (10 - exponent);
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const rounded = rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
  return sign | (magnitude < 2 ** -14 ? rounded : rounded - 1024 + ((exponent + 15) << 10));
}
