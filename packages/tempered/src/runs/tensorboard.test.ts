import { BinaryReader } from '@bufbuild/protobuf/wire';
import { expect, it } from 'vitest';
import { crc32c } from './crc32c.ts';
import { encodeEvents, type ScalarEvent } from './tensorboard.ts';

const range = Array.from({ length: 32 }, (_, i) => i);

it.each<[string, number[], number]>([
  // RFC 3720, appendix B.4; the bytes of its table are the lowest first.
  ['32 zeros', range.map(() => 0), 0x8a9136aa],
  ['32 ones', range.map(() => 0xff), 0x62a8ab43],
  ['0 to 31', range, 0x46dd794e],
  ['31 to 0', [...range].reverse(), 0x113fdb5c],
  // The check value of the catalogue of CRC algorithms.
  ['"123456789"', [...Buffer.from('123456789')], 0xe3069283],
  ['nothing', [], 0],
])('CRC-32C of %s', (_, bytes, expected) => {
  expect(crc32c(Uint8Array.from(bytes))).toBe(expected);
});

/** CRC-32C by its definition: the remainder of a division of polynomials, one bit at a time. */
function divide(bytes: Uint8Array): number {
  let remainder = 0xffffffff;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const out = (remainder ^ (byte >>> bit)) & 1;
      remainder >>>= 1;
      if (out) remainder ^= 0x82f63b78;
    }
  }
  return ~remainder >>> 0;
}

/** The payloads of a TFRecord file; every checksum must hold, and nothing may be left over. */
function readRecords(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const payloads: Uint8Array[] = [];
  const check = (bytes: Uint8Array, at: number) => {
    const crc = BigInt(divide(bytes));
    const rotated = ((crc >> 15n) | (crc << 17n)) & 0xffffffffn;
    expect(BigInt(view.getUint32(at, true))).toBe((rotated + 0xa282ead8n) & 0xffffffffn);
  };
  let at = 0;
  while (at < file.length) {
    const length = Number(view.getBigUint64(at, true));
    check(file.subarray(at, at + 8), at + 8);
    const payload = file.subarray(at + 12, at + 12 + length);
    check(payload, at + 12 + length);
    payloads.push(payload);
    at += 16 + length;
  }
  expect(at).toBe(file.length);
  return payloads;
}

/** An Event, read by the reader of protobuf-es. */
function readEvent(payload: Uint8Array) {
  const event: { time?: number; step?: number; version?: string; scalars: Record<string, number> } = { scalars: {} };
  const reader = new BinaryReader(payload);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1) event.time = reader.double();
    else if (field === 2) event.step = Number(reader.int64());
    else if (field === 3) event.version = reader.string();
    else if (field === 5) readSummary(reader.bytes(), event.scalars);
    else reader.skip(type);
  }
  return event;
}

function readSummary(bytes: Uint8Array, scalars: Record<string, number>): void {
  const summary = new BinaryReader(bytes);
  while (summary.pos < summary.len) {
    summary.tag();
    const value = new BinaryReader(summary.bytes());
    let tag = '';
    while (value.pos < value.len) {
      const [field] = value.tag();
      if (field === 1) tag = value.string();
      else scalars[tag] = value.float();
    }
  }
}

const EVENTS: ScalarEvent[] = [
  { step: 1, time: 1_700_000_000.25, scalars: { 'train/loss': 2.5, 'validation/natural_accuracy': 0.125 } },
  { step: 300, time: 1_700_000_060.5, scalars: { 'train/loss': Number.NaN, λ: -1e-20 } },
  { step: 2 ** 40, time: 1_700_000_120, scalars: {} },
];

it('an event file is read back by another decoder', () => {
  const [version, ...events] = readRecords(encodeEvents(EVENTS)).map(readEvent);
  expect(version).toEqual({ time: 1_700_000_000.25, version: 'brain.Event:2', scalars: {} });
  expect(events).toEqual(
    EVENTS.map(({ step, time, scalars }) => ({
      step,
      time,
      scalars: Object.fromEntries(Object.entries(scalars).map(([tag, value]) => [tag, Math.fround(value)])),
    })),
  );
});

it('begins as the files of TensorFlow do', () => {
  // Length 24 and its checksum, then the tag of the time: `xxd events.out.tfevents.*` of any TensorFlow program.
  expect(Buffer.from(encodeEvents([]).subarray(0, 13)).toString('hex')).toBe('1800000000000000a37f4b2209');
});
