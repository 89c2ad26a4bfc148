/** @file TensorProto to Tensor: bytes become typed-array views, the typed fields are copied. */
import { TensorProto_DataLocation as DataLocation, type TensorProto } from 'onnx-buf';
import { ARRAY_TYPES, dataTypeOf } from './element-types.ts';
import { ModelError } from './errors.ts';
import type { ExternalData } from './external-data.ts';
import type { DataType, Tensor, TensorData } from './graph.ts';

/** @param what names the tensor in messages: "initializer 'conv1.weight'" */
export function parseTensor(proto: TensorProto, what: string, external: ExternalData): Tensor {
  const dtype = dataTypeOf(proto.dataType, what);
  const shape = proto.dims.map((dimension) => parseDimension(dimension, what));
  const size = shape.includes(0) ? 0 : shape.reduce((product, dimension) => product * dimension, 1);
  if (proto.segment !== undefined) throw new ModelError(`${what} is stored in segments, which is not supported`);
  if (proto.dataLocation === DataLocation.EXTERNAL) {
    const entries: Record<string, string> = Object.create(null);
    for (const { key, value } of proto.externalData) entries[key] = value;
    return { dtype, shape, data: fromBytes(external(entries, what), dtype, size, what) };
  }
  if (dtype === 'string') {
    checkCount(proto.stringData.length, size, what);
    return { dtype, shape, data: proto.stringData.map((bytes) => new TextDecoder().decode(bytes)) };
  }
  if (proto.rawData.byteLength > 0) return { dtype, shape, data: fromBytes(proto.rawData, dtype, size, what) };
  return { dtype, shape, data: fromFields(proto, dtype, size, what) };
}

/** A length along an axis; negative ones and those beyond 2^53 are damage. */
export function parseDimension(dimension: bigint, what: string): number {
  const length = Number(dimension);
  if (length < 0 || !Number.isSafeInteger(length))
    throw new ModelError(`${what} has the impossible dimension ${dimension}`);
  return length;
}

function fromBytes(bytes: Uint8Array, dtype: DataType, size: number, what: string): TensorData {
  if (dtype === 'string') throw new ModelError(`${what} is of type string but stored as raw bytes`);
  const ArrayType = ARRAY_TYPES[dtype];
  if (bytes.byteLength !== size * ArrayType.BYTES_PER_ELEMENT) {
    throw new ModelError(
      `${what} should have ${size} elements of type ${dtype} but has ${bytes.byteLength} bytes: the file is truncated or damaged`,
    );
  }
  const { buffer, byteOffset } = bytes;
  if (buffer instanceof ArrayBuffer && byteOffset % ArrayType.BYTES_PER_ELEMENT === 0) {
    return new ArrayType(buffer, byteOffset, size);
  }
  return new ArrayType(new Uint8Array(bytes).buffer, 0, size);
}

/** The field of a TensorProto that holds the elements of each type. */
const FIELDS = {
  float32: 'floatData',
  float64: 'doubleData',
  float16: 'int32Data',
  bfloat16: 'int32Data',
  int8: 'int32Data',
  int16: 'int32Data',
  int32: 'int32Data',
  int64: 'int64Data',
  uint8: 'int32Data',
  uint16: 'int32Data',
  uint32: 'uint64Data',
  uint64: 'uint64Data',
  bool: 'int32Data',
} as const satisfies Record<Exclude<DataType, 'string'>, keyof TensorProto>;

function fromFields(proto: TensorProto, dtype: Exclude<DataType, 'string'>, size: number, what: string): TensorData {
  const elements: readonly (number | bigint)[] = proto[FIELDS[dtype]];
  checkCount(elements.length, size, what);
  if (dtype === 'int64') return BigInt64Array.from(elements, BigInt);
  if (dtype === 'uint64') return BigUint64Array.from(elements, BigInt);
  const data = new ARRAY_TYPES[dtype](size);
  elements.forEach((element, i) => {
    data[i] = Number(element);
  });
  return data;
}

function checkCount(count: number, size: number, what: string): void {
  if (count === size) return;
  throw new ModelError(`${what} should have ${size} elements but the file holds ${count}: it is truncated or damaged`);
}
