import fc from 'fast-check';
import { unzlibSync, zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { DataError } from '../errors.ts';
import { type NpyData, npyToTensor, parseNpy, parseNpz, writeNpy, writeNpz } from './npy.ts';

const fromBase64 = (text: string) => Uint8Array.from(Buffer.from(text, 'base64'));

/** Files that NumPy 2.4 wrote, compressed and in base64. */
const numpy = (text: string) => unzlibSync(fromBase64(text));

const FLOAT32 = numpy(
  'eNqb7BfqGxDJyFDGUK2eklqcXKRupaBuk2airqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RpGOgrGmjoKtQpkAy4GhgZ7BgaFAwwMDg5ANhAvcChriQ8EAB9cINU=',
);

const NPZ = fromBase64(
  'UEsDBC0AAAAIAAAAIQCpfI0r//////////8KABQAaW1hZ2VzLm5weQEAEACYAAAAAAAAAFgAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNmoq6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkahjoKRjoKxpo6CrUK5AEuBjBosAcSDkAExA1AvMABAFBLAwQtAAAACAAAACEAQ50xHP//////////CgAUAGxhYmVscy5ucHkBABAAiAAAAAAAAABIAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TaaGuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GoY6mjoKtQoUAC5mBggAAFBLAQItAy0AAAAIAAAAIQCpfI0rWAAAAJgAAAAKAAAAAAAAAAAAAACAAQAAAABpbWFnZXMubnB5UEsBAi0DLQAAAAgAAAAhAEOdMRxIAAAAiAAAAAoAAAAAAAAAAAAAAIABlAAAAGxhYmVscy5ucHlQSwUGAAAAAAIAAgBwAAAAGAEAAAAA',
);

describe('parseNpy', () => {
  it.each<[string, Uint8Array, number[], NpyData]>([
    ['float32', FLOAT32, [2, 3], Float32Array.of(1, -2.5, 3, 4, 5, 6e10)],
    [
      'big-endian float64',
      numpy(
        'eNqb7BfqGxDJyFDGUK2eklqcXKRupaBul2ahrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RpGOpo6CrUKFAAu+6uhYHCAAQIAOHEfMQ==',
      ),
      [2],
      Float64Array.of(1 / 3, -2),
    ],
    [
      'int64 in Fortran order',
      numpy(
        'eNqb7BfqGxDJyFDGUK2eklqcXKRupaBuk2mhrqOgnpZfVFKUmBefX5SSChIPKSpNBQoXZyQWpAK5GkY6CsY6CiaaOgq1CmQCrt//IYCdAQKg3P/cUD4zlOaH0n+g8hwMqIAHSrNAaQEo/ReqnhPKZ4TSvFCaFUoLQul/UPVcUD4TlOaD0mxQWghKAwD5KEPh',
      ),
      [2, 3, 4],
      BigInt64Array.from({ length: 24 }, (_, i) => BigInt(i - 5)),
    ],
    [
      'uint16',
      numpy(
        'eNqb7BfqGxDJyFDGUK2eklqcXKRupaBuU2qkrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqGOgpGmjoKtQpkA67//xkZANApHXY=',
      ),
      [1, 2],
      Uint16Array.of(65535, 1),
    ],
    [
      'bool',
      numpy('eNqb7BfqGxDJyFDGUK2eklqcXKRupaBek2SorqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RrGOpo6CrUKFAAuRgZGAL1yG5U='),
      [3],
      Uint8Array.of(1, 0, 1),
    ],
    [
      'int8 scalar',
      numpy('eNqb7BfqGxDJyFDGUK2eklqcXKRupaBek2morqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqaOgq1ChQBrp8AguIcdA=='),
      [],
      Int8Array.of(-7),
    ],
    [
      'empty',
      numpy('eNqb7BfqGxDJyFDGUK2eklqcXKRupaBuk2airqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RoGOgrGmjoKtQpkAy4AVesbag=='),
      [0, 3],
      new Float32Array(0),
    ],
    [
      'uint64',
      numpy('eNqb7BfqGxDJyFDGUK2eklqcXKRupaBuU2qhrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqGOpo6CrUKFACu/1AAAFlvI2M='),
      [1],
      BigUint64Array.of(2n ** 64n - 1n),
    ],
    [
      'big-endian int32',
      numpy(
        'eNqb7BfqGxDJyFDGUK2eklqcXKRupaBul2mirqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RpGOpo6CrUKFACu/////2NgYGAHAEmQH2A=',
      ),
      [2],
      Int32Array.of(-2, 7),
    ],
    [
      'int16',
      numpy('eNqb7BfqGxDJyFDGUK2eklqcXKRupaBuk2mkrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqGOpo6CrUKFACuK/8AjBYdKw=='),
      [1],
      Int16Array.of(-300),
    ],
    [
      'uint32',
      numpy('eNqb7BfqGxDJyFDGUK2eklqcXKRupaBuU2qirqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqGOpo6CrUKFAAuBo3sdwDIYBzo'),
      [1],
      Uint32Array.of(4_000_000_000),
    ],
    [
      'version 2',
      numpy(
        'eNqb7BfqGxDJxFDCwMBQrZ6SWpxcpG6loG6TZqKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6mjoKtQpkAy4GhgP2DAwKDgD/pBx3',
      ),
      [2],
      Float32Array.of(1.5, 2.5),
    ],
    [
      'version 3',
      numpy(
        'eNqb7BfqGxDJzFDCwMBQrZ6SWpxcpG6loG6TZqKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6mjoKtQpkAy4GhgP2DAwKDgAANRx4',
      ),
      [2],
      Float32Array.of(1.5, 2.5),
    ],
  ])('reads %s as NumPy wrote it', (_, bytes, shape, data) => {
    expect(parseNpy(bytes)).toEqual({ shape, data });
  });

  const header = (text: string) => {
    const body = new TextEncoder().encode(`${text}\n`);
    return Uint8Array.of(...FLOAT32.subarray(0, 8), body.length & 255, body.length >> 8, ...body);
  };
  it.each([
    ['empty', new Uint8Array(0), 'not a .npy file'],
    ['text', new TextEncoder().encode('hello, I am not an array'), 'not a .npy file'],
    ['of version 9', FLOAT32.map((v, i) => (i === 6 ? 9 : v)), 'version 9'],
    ['cut in the header', FLOAT32.subarray(0, 40), 'header is truncated'],
    ['cut in the data', FLOAT32.subarray(0, -1), 'needs 24 bytes, but 23 follow'],
    [
      'of float16',
      numpy('eNqb7BfqGxDJyFDGUK2eklqcXKRupaBuk2akrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqGOpo6CrUKFAAuBjsAiGoblA=='),
      "type 'f2'",
    ],
    [
      'of complex numbers',
      numpy('eNqb7BfqGxDJyFDGUK2eklqcXKRupaBuk2yhrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqGOpo6CrUKFAAuBigAAC2PG1k='),
      "type 'c8'",
    ],
    [
      'of records',
      numpy(
        'eNqb7BfqGxDJyFDGUK2eklqcXKRupRCtoZ6orqOgbpNmoq4ZC2Sk5ReVFCXmxecXpaSCFLgl5hSnAsWLMxILUoF8DUMdTR2FWgXSARcDEAAA1v4cPA==',
      ),
      'structured',
    ],
    [
      'of a huge shape',
      header("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999, 999999999), }"),
      'needs',
    ],
    ['of a wrong shape', header("{'descr': '<f4', 'fortran_order': False, 'shape': (1 2), }"), 'no readable shape'],
    ['of no shape', header("{'descr': '<f4', 'fortran_order': False}"), 'header is not readable'],
    [
      'of a type called constructor',
      header("{'descr': 'constructor', 'fortran_order': False, 'shape': ()}"),
      'are not read',
    ],
  ])('refuses a file that is %s', (_, bytes, message) => {
    expect(() => parseNpy(bytes, 'f')).toThrow(DataError);
    expect(() => parseNpy(bytes, 'f')).toThrow(message);
  });

  it('never fails in another way on mutated bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(160), fc.nat(255)), { maxLength: 4 }), fc.nat(200), (edits, cut) => {
        const bytes = FLOAT32.slice(0, cut);
        for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
        try {
          parseNpy(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 1000, seed: 1 },
    );
  });
});

describe('writeNpy', () => {
  it('writes what NumPy writes, byte for byte', () => {
    const bytes = writeNpy({ shape: [2, 3], data: Float32Array.of(1, -2.5, 3, 4, 5, 6e10) });
    expect(Buffer.from(bytes).equals(Buffer.from(FLOAT32))).toBe(true);
  });

  it.each<[string, number[], NpyData]>([
    ['floats', [2, 2], Float64Array.of(1, 2, 3, Number.NaN)],
    ['integers', [3], Int8Array.of(1, -2, 3)],
    ['big integers', [1, 1, 1], BigUint64Array.of(2n ** 63n)],
    ['a scalar', [], Uint16Array.of(7)],
    ['nothing', [0], new Int32Array(0)],
  ])('writes %s that it can read back', (_, shape, data) => {
    expect(parseNpy(writeNpy({ shape, data }))).toEqual({ shape, data });
  });

  it('writes booleans when asked, and refuses data that does not fill the shape', () => {
    const bytes = writeNpy({ shape: [2], data: Uint8Array.of(1, 0) }, { bool: true });
    expect(new TextDecoder().decode(bytes.subarray(10, 30))).toContain("'|b1'");
    expect(() => writeNpy({ shape: [2], data: Uint8Array.of(1) })).toThrow(RangeError);
  });
});

it('turns arrays into tensors', () => {
  expect(npyToTensor({ shape: [2], data: BigInt64Array.of(1n, -2n) }).data).toEqual(Float32Array.of(1, -2));
  expect(npyToTensor({ shape: [2], data: Float64Array.of(0.1, 2) }).data).toEqual(Float32Array.of(0.1, 2));
});

describe('npz', () => {
  it('reads what NumPy wrote', () => {
    const arrays = parseNpz(NPZ);
    expect([...arrays.keys()]).toEqual(['images', 'labels']);
    expect(arrays.get('images')).toEqual({ shape: [1, 2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5) });
    expect(arrays.get('labels')).toEqual({ shape: [1], data: BigInt64Array.of(3n) });
  });

  it('reads back what it wrote', () => {
    const image = { shape: [2, 1], data: Float32Array.of(0.5, 1) };
    expect(parseNpz(writeNpz({ image })).get('image')).toEqual(image);
  });

  it('refuses what is no archive, or claims to unpack to more than it can', () => {
    expect(() => parseNpz(new Uint8Array(100), 'f')).toThrow('f: not a readable .npz');
    expect(() => parseNpz(NPZ.subarray(0, 300), 'f')).toThrow(DataError);
    const bomb = zipSync({ 'a.npy': new Uint8Array(1000) });
    const directory = bomb.length - 22 - 46 - 5;
    new DataView(bomb.buffer).setUint32(directory + 24, 0x7fffffff, true);
    expect(() => parseNpz(bomb, 'f')).toThrow(DataError);
  });

  it('never fails in another way on mutated bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(NPZ.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), (edits) => {
        const bytes = NPZ.slice();
        for (const [at, value] of edits) bytes[at] = value;
        try {
          parseNpz(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 1000, seed: 1 },
    );
  });
});
