/**
 * @file Tar archives in memory (POSIX ustar with pax and GNU long names). Reads untrusted bytes: every header must carry
 * a right checksum, and no size is believed beyond the end of the archive.
 */

import { DataError } from '../errors.ts';
import { gunzip } from './gzip.ts';

export interface TarFile {
  readonly name: string;
  /** A view into the archive. */
  readonly data: Uint8Array;
}

const BLOCK = 512;

/**
 * The plain files of a tar archive, gzipped or not, in the archive's order. Links and devices are left out.
 *
 * @param name what to call the archive in errors
 * @throws DataError when it is not a tar archive, or is damaged or truncated
 */
export function readTar(archive: Uint8Array, name = 'tar archive'): TarFile[] {
  const bytes = gunzip(archive, name);
  const files: TarFile[] = [];
  let longName: string | undefined;
  let offset = 0;
  while (offset + BLOCK <= bytes.length) {
    const header = bytes.subarray(offset, offset + BLOCK);
    if (header.every((byte) => byte === 0)) return files;
    if (!hasRightChecksum(header)) {
      throw new DataError(offset === 0 ? `${name}: not a tar archive` : `${name}: damaged at byte ${offset}`);
    }
    const size = numberAt(header, 124, 12);
    const start = offset + BLOCK;
    if (!(size >= 0 && start + size <= bytes.length)) throw new DataError(`${name}: truncated at byte ${bytes.length}`);
    const data = bytes.subarray(start, start + size);
    const type = String.fromCharCode(header[156]!);
    if (type === 'x') longName = paxPath(data) ?? longName;
    else if (type === 'L') longName = textAt(data, 0, data.length);
    else {
      if (type === '0' || type === '\0' || type === '7') files.push({ name: longName ?? ustarName(header), data });
      if (type !== 'g') longName = undefined;
    }
    offset = start + Math.ceil(size / BLOCK) * BLOCK;
  }
  if (offset === 0) throw new DataError(`${name}: not a tar archive`);
  if (offset !== bytes.length) throw new DataError(`${name}: truncated at byte ${bytes.length}`);
  return files;
}

/** The sum of the header's bytes, its own field counted as spaces. */
function hasRightChecksum(header: Uint8Array): boolean {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : header[i]!;
  return sum === numberAt(header, 148, 8);
}

/** An octal number, or NaN. */
function numberAt(header: Uint8Array, start: number, length: number): number {
  const text = textAt(header, start, length).trim();
  return /^[0-7]{1,12}$/.test(text) ? Number.parseInt(text, 8) : text === '' ? 0 : Number.NaN;
}

function textAt(bytes: Uint8Array, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

function ustarName(header: Uint8Array): string {
  const name = textAt(header, 0, 100);
  const prefix = textAt(header, 257, 5) === 'ustar' ? textAt(header, 345, 155) : '';
  return prefix ? `${prefix}/${name}` : name;
}

/** The path of a pax header: records of the form "<length> <key>=<value>\n". */
function paxPath(data: Uint8Array): string | undefined {
  return /(?:^|\n)\d+ path=([^\n]*)\n/.exec(new TextDecoder().decode(data))?.[1];
}
