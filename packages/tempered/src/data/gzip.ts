/** @file Unpacking .gz in memory, with a bound on what comes out: a small file may claim to hold anything. */

import { Gunzip } from 'fflate';
import { DataError } from '../errors.ts';

/** Bytes given to the decompressor at a time; deflate makes at most about 1,000 out of one. */
const CHUNK = 1 << 16;

const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/**
 * The contents of a gzip file, or `bytes` themselves when they are not one.
 *
 * @param name what to call the file in errors
 * @param limit most bytes to accept. Default: 2 GiB
 * @throws DataError when the file is damaged or truncated, or holds more than `limit` bytes
 */
export function gunzip(bytes: Uint8Array, name: string, limit = 2 ** 31): Uint8Array {
  if (!isGzip(bytes)) return bytes;
  const parts: Uint8Array[] = [];
  let size = 0;
  let ended = false;
  const unpacker = new Gunzip((part, final) => {
    if (part.length > 0) parts.push(part);
    size += part.length;
    ended = final;
  });
  let furtherMembers = 0;
  unpacker.onmember = () => furtherMembers++;
  for (let start = 0; start < bytes.length; start += CHUNK) {
    const end = Math.min(start + CHUNK, bytes.length);
    try {
      unpacker.push(bytes.subarray(start, end), end === bytes.length);
    } catch {
      throw new DataError(`${name}: not a readable gzip file (damaged or truncated)`);
    }
    if (size > limit) throw new DataError(`${name}: holds more than the ${limit} bytes that were expected`);
  }
  // The last four bytes are the length of the last member, modulo 2³².
  const declared =
    bytes.length < 18 ? -1 : new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 4).getUint32(0, true);
  if (!ended || declared < 0 || (furtherMembers === 0 && declared !== size % 0x100000000)) {
    throw new DataError(`${name}: the gzip file is truncated`);
  }
  return concatBytes(parts, size);
}

function concatBytes(parts: readonly Uint8Array[], size: number): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
