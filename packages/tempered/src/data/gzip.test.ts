import { gzipSync as nodeGzip } from 'node:zlib';
import { gzipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { DataError } from '../errors.ts';
import { gunzip } from './gzip.ts';

const content = Uint8Array.from({ length: 500_000 }, (_, i) => (i * i) % 251);
const same = (a: Uint8Array, b: Uint8Array) => expect(Buffer.compare(a, b)).toBe(0);

describe('gunzip', () => {
  it('unpacks what zlib packed, in one member or several', () => {
    same(gunzip(nodeGzip(content), 'f'), content);
    const two = Buffer.concat([nodeGzip(content.subarray(0, 1000)), nodeGzip(content.subarray(1000))]);
    same(gunzip(two, 'f'), content);
    same(gunzip(gzipSync(content), 'f'), content);
  });

  it('gives back what is not packed', () => {
    expect(gunzip(content, 'f')).toBe(content);
  });

  it('stops at the limit, long before a bomb is unpacked', () => {
    const bomb = nodeGzip(new Uint8Array(200_000_000));
    expect(() => gunzip(bomb, 'f', 1_000_000)).toThrow(
      new DataError('f: holds more than the 1000000 bytes that were expected'),
    );
  });

  it.each([
    ['cut', nodeGzip(content).subarray(0, -9)],
    ['cut at the start', nodeGzip(content).subarray(0, 12)],
    ['damaged', nodeGzip(content).map((byte, i) => (i === 12 ? byte ^ 255 : byte))],
  ])('refuses a file that is %s', (_, bytes) => {
    expect(() => gunzip(bytes, 'f')).toThrow(DataError);
  });
});
