import fc from 'fast-check';
import { gzipSync } from 'fflate';
import { createTar } from 'nanotar';
import { describe, expect, it } from 'vitest';
import { DataError } from '../errors.ts';
import { readTar } from './tar.ts';

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
// Written by another library.
const ARCHIVE = createTar([
  { name: 'folder' },
  { name: 'folder/a.txt', data: 'hello' },
  { name: 'folder/b.txt', data: 'x'.repeat(600) },
  { name: 'empty', data: '' },
]);

/** A block with a right checksum. */
function header(name: string, size: number | string, type = '0', prefix = ''): Uint8Array {
  const block = new Uint8Array(512);
  const put = (at: number, value: string) => block.set(new TextEncoder().encode(value), at);
  put(0, name);
  put(124, typeof size === 'string' ? size : size.toString(8).padStart(11, '0'));
  put(148, '        ');
  put(156, type);
  put(257, 'ustar');
  put(345, prefix);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, '0')}\0 `);
  return block;
}

const padded = (content: string) => {
  const data = new TextEncoder().encode(content);
  const block = new Uint8Array(Math.ceil(data.length / 512) * 512);
  block.set(data);
  return block;
};
const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

describe('readTar', () => {
  it.each([
    ['plain', ARCHIVE],
    ['gzipped', gzipSync(ARCHIVE)],
    ['at an offset in its buffer', join(new Uint8Array(7), ARCHIVE).subarray(7)],
  ])('reads an archive that is %s', (_, bytes) => {
    const files = readTar(bytes).filter(({ data }) => data.length > 0);
    expect(files.map(({ name }) => name)).toEqual(['folder/a.txt', 'folder/b.txt']);
    expect(files.map(({ data }) => text(data))).toEqual(['hello', 'x'.repeat(600)]);
  });

  it.each([
    ['a prefix', [header('a', 2, '0', 'deep/down'), padded('hi')], 'deep/down/a'],
    ['a pax path', [header('p', 19, 'x'), padded('19 path=long/name\n'), header('a', 2), padded('hi')], 'long/name'],
    ['a GNU long name', [header('L', 10, 'L'), padded('gnu/name1\0'), header('a', 2), padded('hi')], 'gnu/name1'],
    ['a link before it', [header('link', 0, '2'), header('a', 2), padded('hi')], 'a'],
  ])('understands %s', (_, blocks, name) => {
    const files = readTar(join(...blocks, new Uint8Array(1024)));
    expect(files.map((file) => [file.name, text(file.data)])).toEqual([[name, 'hi']]);
  });

  it.each([
    ['empty', new Uint8Array(0), 'not a tar archive'],
    ['text', padded('hello'.repeat(200)), 'not a tar archive'],
    ['cut', ARCHIVE.subarray(0, 1100), 'truncated'],
    ['damaged', join(header('a', 2), padded('hi'), padded('nonsense')), 'damaged at byte 1024'],
    ['of negative size', join(header('a', '-0000001000'), new Uint8Array(1024)), 'truncated'],
    ['of enormous size', join(header('a', '77777777777'), new Uint8Array(1024)), 'truncated'],
  ])('refuses an archive that is %s', (_, bytes, message) => {
    expect(() => readTar(bytes, 'f')).toThrow(DataError);
    expect(() => readTar(bytes, 'f')).toThrow(message);
  });

  it('never fails in another way on mutated bytes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(ARCHIVE.length - 1), fc.nat(255)), { maxLength: 4 }),
        fc.nat(6000),
        (edits, cut) => {
          const bytes = ARCHIVE.slice(0, cut);
          for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
          try {
            readTar(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(DataError);
          }
        },
      ),
      { numRuns: 500, seed: 1 },
    );
  });
});
