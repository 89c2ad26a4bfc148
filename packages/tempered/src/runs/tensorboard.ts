/**
 * @file Event files of TensorBoard: TFRecords, each holding one Event message of `tensorflow/core/util/event.proto`. Only
 * scalars are written.
 */
import { crc32c } from './crc32c.ts';

export interface ScalarEvent {
  /** Place on the horizontal axis. */
  readonly step: number;
  /** Seconds since 1970. */
  readonly time: number;
  /** By tag; a slash groups tags in TensorBoard: "validation/robust_accuracy". */
  readonly scalars: Readonly<Record<string, number>>;
}

/** An event file: the line that names its version, then one event for each entry, in the order given. */
export function encodeEvents(events: readonly ScalarEvent[]): Uint8Array {
  const version = message([
    [1, double(events[0]?.time ?? 0)],
    [3, text('brain.Event:2')],
  ]);
  return concat([version, ...events.map(encodeEvent)].map(record));
}

/** Event { wall_time = 1; step = 2; summary = 5 }, Summary { value = 1 }, Value { tag = 1; simple_value = 2 }. */
function encodeEvent({ step, time, scalars }: ScalarEvent): Uint8Array {
  const values = Object.entries(scalars).map(
    ([tag, value]): Field => [
      1,
      message([
        [1, text(tag)],
        [2, float(value)],
      ]),
    ],
  );
  return message([
    [1, double(time)],
    [2, step],
    [5, message(values)],
  ]);
}

/** Length, its checksum, the bytes, their checksum: little-endian. */
function record(data: Uint8Array): Uint8Array {
  const head = new Uint8Array(8);
  new DataView(head.buffer).setBigUint64(0, BigInt(data.length), true);
  return concat([head, checksum(head), data, checksum(data)]);
}

/** TFRecords rotate and offset checksums, since those of data that hold checksums themselves are weak. */
function checksum(bytes: Uint8Array): Uint8Array {
  const crc = crc32c(bytes);
  const masked = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
  const result = new Uint8Array(4);
  new DataView(result.buffer).setUint32(0, masked, true);
  return result;
}

/** A field of a protocol buffer message: a whole number ≥ 0 is a varint, 4 or 8 bytes of a float are fixed, others have a length. */
type Field = readonly [number: number, value: number | Uint8Array | Fixed];

interface Fixed {
  readonly fixed: Uint8Array;
}

const VARINT = 0;
const FIXED_64 = 1;
const LENGTH = 2;
const FIXED_32 = 5;

function message(fields: readonly Field[]): Uint8Array {
  return concat(
    fields.flatMap(([number, value]) => {
      if (typeof value === 'number') return [varint(number * 8 + VARINT), varint(value)];
      if (value instanceof Uint8Array) return [varint(number * 8 + LENGTH), varint(value.length), value];
      return [varint(number * 8 + (value.fixed.length === 8 ? FIXED_64 : FIXED_32)), value.fixed];
    }),
  );
}

/** Seven bits a byte, the lowest first. Divisions instead of shifts: steps may need more than 32 bits. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Uint8Array.of(...bytes, rest);
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function double(value: number): Fixed {
  const fixed = new Uint8Array(8);
  new DataView(fixed.buffer).setFloat64(0, value, true);
  return { fixed };
}

function float(value: number): Fixed {
  const fixed = new Uint8Array(4);
  new DataView(fixed.buffer).setFloat32(0, value, true);
  return { fixed };
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    result.set(part, offset);
    offset += part.length;
  }
  return result;
}
