import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { gzipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { DataError } from '../errors.ts';
import { FASHION_MNIST_CLASSES, idxDataset, MNIST_CLASSES, parseIdx } from './idx.ts';

const sharedData = fileURLToPath(new URL('../../../../../shared/data/', import.meta.url));

/** Two images of 2 × 3 pixels, written out by hand. */
const IMAGES = Uint8Array.of(
  0,
  0,
  8,
  3,
  0,
  0,
  0,
  2,
  0,
  0,
  0,
  2,
  0,
  0,
  0,
  3,
  0,
  51,
  102,
  153,
  204,
  255,
  1,
  2,
  3,
  4,
  5,
  6,
);
const LABELS = Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 1, 0);

describe('parseIdx', () => {
  it.each([
    ['plain', IMAGES],
    ['gzipped', gzipSync(IMAGES)],
  ])('reads a %s file', (_, bytes) => {
    const { shape, data } = parseIdx(bytes);
    expect(shape).toEqual([2, 2, 3]);
    expect([...data]).toEqual([0, 51, 102, 153, 204, 255, 1, 2, 3, 4, 5, 6]);
  });

  it.each([
    ['empty', new Uint8Array(0), 'not an IDX file'],
    ['text', new TextEncoder().encode('hello world'), 'not an IDX file'],
    ['floats', Uint8Array.of(0, 0, 0x0d, 1, 0, 0, 0, 1, 0, 0, 0, 0), 'element type 0xd'],
    ['cut in the header', IMAGES.subarray(0, 10), 'header is truncated'],
    ['cut in the data', IMAGES.subarray(0, 20), '4 bytes follow'],
    ['huge dimensions', Uint8Array.of(0, 0, 8, 2, 255, 255, 255, 255, 255, 255, 255, 255), '0 bytes follow'],
    ['cut gzip', gzipSync(IMAGES).subarray(0, 25), 'gzip'],
    ['gzip of two bytes', Uint8Array.of(0x1f, 0x8b), 'gzip'],
  ])('refuses a file that is %s', (_, bytes, message) => {
    expect(() => parseIdx(bytes, 'f')).toThrow(DataError);
    expect(() => parseIdx(bytes, 'f')).toThrow(message);
  });

  it('never fails in another way on mutated bytes', () => {
    const sources = [IMAGES, LABELS, gzipSync(IMAGES)];
    fc.assert(
      fc.property(
        fc.nat(2),
        fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 4 }),
        fc.nat(40),
        (which, edits, cut) => {
          const bytes = Uint8Array.from(sources[which]!).subarray(0, cut);
          for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
          try {
            parseIdx(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(DataError);
          }
        },
      ),
      { numRuns: 1000, seed: 1 },
    );
  });
});

describe('idxDataset', () => {
  const options = { name: 'tiny', split: 'test', classes: ['a', 'b'], images: IMAGES, labels: LABELS };

  it('joins images and labels', () => {
    const dataset = idxDataset(options);
    expect(dataset).toMatchObject({ count: 2, imageShape: [1, 2, 3] });
    const { images, labels } = dataset.batch([1, 0]);
    expect([...labels]).toEqual([0, 1]);
    expect(images.shape).toEqual([2, 1, 2, 3]);
    expect([...images.data.subarray(6)]).toEqual([0, 51, 102, 153, 204, 255].map((v) => Math.fround(v / 255)));
  });

  it.each([
    [
      'labels of another set',
      { labels: Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 1, 1) },
      '2 images, but labels of shape [1]',
    ],
    ['a label without a class', { classes: ['a'] }, 'image 0 has label 1'],
    ['labels in place of images', { images: LABELS }, 'images must be [n, height, width]'],
  ])('refuses %s', (_, change, message) => {
    expect(() => idxDataset({ ...options, ...change })).toThrow(DataError);
    expect(() => idxDataset({ ...options, ...change })).toThrow(message);
  });

  // The first labels and the class counts as published with the sets.
  it.for([
    { name: 'mnist', classes: MNIST_CLASSES, labels: [7, 2, 1, 0, 4, 1, 4, 9, 5, 9], ones: 1135 },
    { name: 'fashion-mnist', classes: FASHION_MNIST_CLASSES, labels: [9, 2, 1, 1, 6, 1, 4, 6, 5, 7], ones: 1000 },
  ])('reads the test split of $name', ({ name, classes, labels, ones }, { skip }) => {
    const folder = `${sharedData}${name}/`;
    if (!existsSync(folder)) skip(`${name} is not in the shared data folder`);
    const dataset = idxDataset({
      name,
      split: 'test',
      classes,
      images: readFileSync(`${folder}t10k-images-idx3-ubyte.gz`),
      labels: readFileSync(`${folder}t10k-labels-idx1-ubyte.gz`),
    });
    expect(dataset).toMatchObject({ count: 10_000, imageShape: [1, 28, 28] });
    const all = dataset.batch(Uint32Array.from({ length: 10_000 }, (_, i) => i));
    expect([...all.labels.subarray(0, 10)]).toEqual(labels);
    expect(all.labels.filter((label) => label === 1).length).toBe(ones);
    expect(Math.max(...all.images.data.subarray(0, 784))).toBeLessThanOrEqual(1);
  });
});
