/** @file ONNX element type codes (TensorProto.DataType) and the typed arrays that hold them. */
import { ModelError } from './errors.ts';
import type { DataType, TensorData } from './graph.ts';

type TypedArray = Exclude<TensorData, string[]>;
type TypedArrayConstructor = {
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): TypedArray;
  new (buffer: ArrayBuffer, byteOffset: number, length: number): TypedArray;
};

/** The typed array of each element type; 16-bit floats are kept as bits. */
export const ARRAY_TYPES: Record<Exclude<DataType, 'string'>, TypedArrayConstructor> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
};

/** TensorProto.DataType. */
export const DATA_TYPE_CODES: Record<DataType, number> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
};

const DATA_TYPES = new Map(Object.entries(DATA_TYPE_CODES).map(([dtype, code]) => [code, dtype as DataType]));

/** Types that ONNX has and this package does not hold. */
const OTHER_TYPES: Record<number, string> = {
  14: 'complex64',
  15: 'complex128',
  17: 'float8e4m3fn',
  18: 'float8e4m3fnuz',
  19: 'float8e5m2',
  20: 'float8e5m2fnuz',
  21: 'uint4',
  22: 'int4',
  23: 'float4e2m1',
  24: 'float8e8m0',
  25: 'uint2',
  26: 'int2',
};

/** The element type of an ONNX code; `what` names its bearer in the error. */
export function dataTypeOf(code: number, what: string): DataType {
  const dtype = DATA_TYPES.get(code);
  if (dtype !== undefined) return dtype;
  const name = OTHER_TYPES[code];
  if (name === undefined) throw new ModelError(`${what} has the unknown element type ${code}: the file may be damaged`);
  throw new ModelError(
    `${what} is of type ${name}, which is not supported: convert it to a float or 8-bit integer type`,
  );
}
