import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'fflate';
import { createTar } from 'nanotar';
import { describe, expect, it } from 'vitest';
import { DataError } from '../errors.ts';
import { CIFAR10_CLASSES, CIFAR100_CLASSES, cifarDataset, cifarFromArchive } from './cifar.ts';

const sharedData = fileURLToPath(new URL('../../../../../shared/data/cifar10/', import.meta.url));

/** A record whose red, green and blue are the given levels throughout. */
const record = (labels: number[], [red, green, blue]: [number, number, number]) =>
  Uint8Array.of(...labels, ...new Array(1024).fill(red), ...new Array(1024).fill(green), ...new Array(1024).fill(blue));

const colours = (data: Float32Array) => [data[0], data[1024], data[2048]].map((v) => Math.round(255 * v!));

describe('cifarDataset', () => {
  it('reads CIFAR-10 records, gzipped or not, one file after the other', () => {
    const files = [record([3], [10, 20, 30]), gzipSync(record([9], [255, 0, 7]))];
    const dataset = cifarDataset(files, { name: 'cifar10', split: 'train' });
    expect(dataset).toMatchObject({ count: 2, imageShape: [3, 32, 32] });
    const { images, labels } = dataset.batch([0, 1]);
    expect([...labels].map((label) => CIFAR10_CLASSES[label])).toEqual(['cat', 'truck']);
    expect(colours(images.data)).toEqual([10, 20, 30]);
    expect(colours(images.data.subarray(3072))).toEqual([255, 0, 7]);
  });

  it('takes the fine label of CIFAR-100', () => {
    const { labels } = cifarDataset([record([4, 30], [1, 2, 3])], { name: 'cifar100', split: 'test' }).batch([0]);
    expect(CIFAR100_CLASSES).toHaveLength(100);
    expect([...CIFAR100_CLASSES].sort()).toEqual(CIFAR100_CLASSES);
    expect(CIFAR100_CLASSES[labels[0]!]).toBe('dolphin');
  });

  it('finds the files in the official archives, in their order', () => {
    const batches = [5, 2, 3, 4, 1].map((n) => ({
      name: `cifar-10-batches-bin/data_batch_${n}.bin`,
      data: record([n], [n, n, n]),
    }));
    const archive = gzipSync(createTar(batches));
    const dataset = cifarFromArchive(archive, { name: 'cifar10', split: 'train' });
    expect([...dataset.batch([0, 1, 2, 3, 4]).labels]).toEqual([1, 2, 3, 4, 5]);
    expect(() => cifarFromArchive(archive, { name: 'cifar10', split: 'test' })).toThrow('it holds no test_batch.bin');
  });

  it.each([
    ['empty', new Uint8Array(0)],
    ['cut', record([1], [1, 1, 1]).subarray(1)],
    ['wrongly labelled', record([10], [1, 1, 1])],
  ])('refuses a file that is %s', (_, bytes) => {
    expect(() => cifarDataset([bytes], { name: 'cifar10', split: 'test' })).toThrow(DataError);
  });

  it('reads original records', ({ skip }) => {
    const file = `${sharedData}original_test_batch_first20.bin.gz`;
    if (!existsSync(file)) skip('CIFAR-10 is not in the shared data folder');
    const dataset = cifarDataset([readFileSync(file)], { name: 'cifar10', split: 'test' });
    const { images, labels } = dataset.batch(Uint32Array.from({ length: 20 }, (_, i) => i));
    // The first test labels, and the first pixel of the first picture, as published with the set.
    expect([...labels.subarray(0, 10)]).toEqual([3, 8, 8, 0, 6, 6, 1, 6, 3, 1]);
    expect(colours(images.data)).toEqual([158, 112, 49]);
  });
});
