import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'fflate';
import { createTar } from 'nanotar';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError, UsageError } from '../../errors.ts';
import { CIFAR10_CLASSES } from '../cifar.ts';
import { writeNpz } from '../npy.ts';
import { cacheFolder } from './cache-folder.ts';
import { loadDataset } from './load.ts';

const sharedData = fileURLToPath(new URL('../../../../../../shared/data/', import.meta.url));

let folder: string;
const path = (...parts: string[]) => join(folder, ...parts);
const write = async (name: string, bytes: Uint8Array | string) => {
  await mkdir(dirname(path(name)), { recursive: true });
  await writeFile(path(name), bytes);
};
const picture = (level: number, width = 4, height = 4) =>
  sharp({ create: { width, height, channels: 3, background: { r: level, g: 0, b: 255 } } })
    .png()
    .toBuffer();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tempered-load-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('loadDataset', () => {
  it('makes shapes', async () => {
    expect(await loadDataset({ name: 'shapes', count: 3 })).toMatchObject({ name: 'shapes', split: 'test', count: 3 });
    expect((await loadDataset({ name: 'shapes', split: 'conflict', count: 3, seed: 2 })).split).toBe('conflict');
  });

  it('reads IDX files, packed or not', async () => {
    await write(
      'mnist/t10k-images-idx3-ubyte.gz',
      gzipSync(Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 9, 8)),
    );
    await write('mnist/t10k-labels-idx1-ubyte', Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 1, 7));
    const dataset = await loadDataset({ name: 'mnist', dataDir: path('mnist') });
    expect(dataset).toMatchObject({ count: 1, imageShape: [1, 1, 2] });
    const train = loadDataset({ name: 'mnist', split: 'train', dataDir: path('mnist') });
    await expect(train).rejects.toThrow(DataError);
    await expect(train).rejects.toThrow("run 'tempered data fetch mnist', or name the folder with --data-dir");
  });

  it('reads CIFAR-10 from the archive or from unpacked files', async () => {
    const record = new Uint8Array(3073).fill(5);
    await write('files/cifar-10-batches-bin/test_batch.bin', record);
    await write('archive/cifar-10-binary.tar.gz', gzipSync(createTar([{ name: 'x/test_batch.bin', data: record }])));
    for (const dataDir of [path('files'), path('archive')]) {
      const dataset = await loadDataset({ name: 'cifar10', dataDir });
      expect([...dataset.batch([0]).labels]).toEqual([5]);
    }
    await expect(loadDataset({ name: 'cifar100', dataDir: path('files') })).rejects.toThrow(
      'tempered data fetch cifar100',
    );
  });

  it('reads a folder of pictures with splits', async () => {
    await write('split/train/dog/a.png', await picture(10));
    await write('split/train/cat/a.png', await picture(20));
    await write('split/val/dog/b.png', await picture(30, 8, 6));
    await write('split/val/dog/notes.txt', 'x');
    const test = await loadDataset({ name: path('split'), size: 5 });
    expect(test).toMatchObject({ name: 'split', count: 1, classes: ['cat', 'dog'], imageShape: [3, 5, 5] });
    const { images, labels } = test.batch([0]);
    expect([labels[0], Math.round(255 * images.data[0]!), images.data[74]]).toEqual([1, 30, 1]);
    expect((await loadDataset({ name: path('split'), split: 'train' })).count).toBe(2);
    expect(await loadDataset({ name: path('split'), split: 'all', size: 5 })).toMatchObject({
      count: 3,
      classes: ['cat', 'dog'],
    });
  });

  it('divides a folder of pictures without splits', async () => {
    for (let i = 0; i < 20; i++) await write(`flat/a/${i + 10}.png`, await picture(i));
    const [train, test] = [
      await loadDataset({ name: path('flat'), split: 'train' }),
      await loadDataset({ name: path('flat'), split: 'test' }),
    ];
    expect([train.count, test.count]).toEqual([18, 2]);
    expect([...test.batch([0, 1]).images.data].filter((_, i) => i % 48 === 0).map((v) => Math.round(255 * v))).toEqual([
      9, 19,
    ]);
    expect(test.note).toContain('held out');
    const all = await loadDataset({ name: path('flat'), split: 'all' });
    expect([all.count, all.note]).toEqual([20, undefined]);
  });

  it('says what to do with a folder too small to hold a test picture out', async () => {
    for (let i = 0; i < 9; i++) await write(`small/a/${i}.png`, await picture(i));
    const test = () => loadDataset({ name: path('small') });
    await expect(test()).rejects.toThrow(DataError);
    await expect(test()).rejects.toThrow(
      'one picture in 10 of each class is held out for the test, but no class has 10',
    );
    await expect(test()).rejects.toThrow("take every picture with the split 'all'");
    expect((await loadDataset({ name: path('small'), split: 'all' })).count).toBe(9);
    expect((await loadDataset({ name: path('small'), split: 'train' })).count).toBe(9);
  });

  it('keeps the size of re-encoded CIFAR-10 pictures, whatever size is asked for', async () => {
    await write(
      'jpeg/cifar10-jpeg.tar.gz',
      createTar([
        { name: 'c/test/0_cat.png', data: await picture(7, 6, 6) },
        { name: 'c/test/1_dog.png', data: await picture(8, 6, 6) },
      ]),
    );
    const dataset = await loadDataset({ name: 'cifar10', dataDir: path('jpeg'), size: 3 });
    expect(dataset).toMatchObject({ imageShape: [3, 6, 6], count: 2 });
    expect(dataset.note).toContain('JPEG');
  });

  it('reads a tar of pictures and an .npz', async () => {
    const image = await picture(7);
    await write(
      'set.tar',
      createTar([
        { name: 's/test/0_b.png', data: image },
        { name: 's/train/1_a.png', data: 'x' },
      ]),
    );
    const pictures = await loadDataset({ name: path('set.tar') });
    expect(pictures).toMatchObject({ count: 1, classes: ['a', 'b'], imageShape: [3, 4, 4] });
    await write('whole.tar', createTar(['train', 'test'].map((s) => ({ name: `s/${s}/0_b.png`, data: image }))));
    expect((await loadDataset({ name: path('whole.tar'), split: 'all' })).count).toBe(2);

    const images = { shape: [2, 1, 1, 2], data: Float32Array.of(0, 0.5, 1, 0.25) };
    await write('set.npz', writeNpz({ images, labels: { shape: [2], data: BigInt64Array.of(2n, 0n) } }));
    const arrays = await loadDataset({ name: path('set.npz') });
    expect(arrays).toMatchObject({ count: 2, classes: ['0', '1', '2'] });
    expect([...arrays.batch([1]).images.data]).toEqual([1, 0.25]);
  });

  it.each([
    ['an unknown name', { name: 'imagenot' }, UsageError, "no data set or path 'imagenot'; known are shapes"],
    ['a file of another kind', { name: fileURLToPath(import.meta.url) }, UsageError, 'is no data set'],
    ['a conflict split elsewhere', { name: 'mnist', split: 'conflict' as const }, UsageError, 'only shapes has'],
    ['a split of all of a named set', { name: 'mnist', split: 'all' as const }, UsageError, "mnist has no split 'all'"],
    ['a split of all shapes', { name: 'shapes', split: 'all' as const }, UsageError, "shapes has no split 'all'"],
    ['a count of 0', { name: 'shapes', count: 0 }, UsageError, 'count must be'],
    ['a folder without pictures', { name: 'EMPTY' }, DataError, 'no pictures found'],
  ])('refuses %s', async (_, options, kind, message) => {
    const name = options.name === 'EMPTY' ? path('empty') : options.name;
    await mkdir(path('empty'), { recursive: true });
    await expect(loadDataset({ ...options, name })).rejects.toThrow(kind);
    await expect(loadDataset({ ...options, name })).rejects.toThrow(message);
  });

  it.each([
    [
      'arrays without labels',
      { images: { shape: [1, 2, 2], data: new Uint8Array(4) } },
      "called 'images' and 'labels'",
    ],
    [
      'values outside [0, 1]',
      {
        images: { shape: [1, 2, 2], data: Float32Array.of(0, 1, 2, 3) },
        labels: { shape: [1], data: Int32Array.of(0) },
      },
      'numbers in [0, 1]',
    ],
    [
      'fractions for labels',
      { images: { shape: [1, 1, 1], data: new Uint8Array(1) }, labels: { shape: [1], data: Float32Array.of(0.5) } },
      'whole numbers',
    ],
  ])('refuses an .npz with %s', async (_, arrays, message) => {
    await write('bad.npz', writeNpz(arrays));
    await expect(loadDataset({ name: path('bad.npz') })).rejects.toThrow(DataError);
    await expect(loadDataset({ name: path('bad.npz') })).rejects.toThrow(message);
  });

  it('names the picture that cannot be read', async () => {
    await write('broken/test/a/x.png', 'not a picture');
    await write('broken/train/a/x.png', await picture(1));
    await expect(loadDataset({ name: path('broken') })).rejects.toThrow(DataError);
    await expect(loadDataset({ name: path('broken') })).rejects.toThrow('x.png');
  });

  it('reads the re-encoded CIFAR-10, close to the original pixels', async ({ skip }) => {
    const shared = `${sharedData}cifar10/`;
    if (!existsSync(shared)) skip('CIFAR-10 is not in the shared data folder');
    const jpeg = await loadDataset({ name: 'cifar10', dataDir: shared, count: 20 });
    expect(jpeg.note).toContain('JPEG');
    expect(jpeg.classes).toEqual(CIFAR10_CLASSES);
    await mkdir(path('original'), { recursive: true });
    await write('original/test_batch.bin.gz', await readFile(`${shared}original_test_batch_first20.bin.gz`));
    const original = await loadDataset({ name: 'cifar10', dataDir: path('original') });
    const indices = Uint32Array.from({ length: 20 }, (_, i) => i);
    const [a, b] = [jpeg.batch(indices), original.batch(indices)];
    expect(a.labels).toEqual(b.labels);
    const difference =
      a.images.data.reduce((sum, v, i) => sum + Math.abs(v - b.images.data[i]!), 0) / a.images.data.length;
    expect(difference).toBeLessThan(8 / 255);
  });
});

it.each([
  [{ TEMPERED_CACHE: '/a' }, 'linux', '/a'],
  [{ XDG_CACHE_HOME: '/b' }, 'linux', join('/b', 'tempered')],
  [{ LOCALAPPDATA: 'C:\\x' }, 'win32', join('C:\\x', 'tempered')],
] as const)('caches by %o on %s in %s', (environment, platform, expected) => {
  expect(cacheFolder(environment, platform)).toBe(expected);
});
