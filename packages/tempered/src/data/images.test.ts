import { createTar } from 'nanotar';
import { describe, expect, it } from 'vitest';
import { DataError } from '../errors.ts';
import { type ImageDecoder, type ImageFile, imagesDataset, tarImages } from './images.ts';

/** Files of three bytes: width, height, grey level. */
const decode: ImageDecoder = async (bytes, { channels }) => {
  const [width = 0, height = 0, level = 0] = bytes;
  if (width === 0) throw new DataError('not a picture');
  return { shape: [1, channels, height, width], data: new Float32Array(channels * width * height).fill(level / 255) };
};
const file = (label: string, ...bytes: number[]): ImageFile => ({
  name: `${label}/${bytes}`,
  label,
  read: async () => Uint8Array.from(bytes),
});
const options = { name: 'folder', split: 'test', classes: ['cat', 'dog'], decode };

describe('imagesDataset', () => {
  it('keeps order, labels and levels', async () => {
    const files = Array.from({ length: 40 }, (_, i) => file(i % 3 ? 'dog' : 'cat', 4, 2, i));
    const done: number[] = [];
    const dataset = await imagesDataset(files, { ...options, onProgress: (progress) => done.push(progress.done) });
    expect(dataset).toMatchObject({ count: 40, imageShape: [3, 2, 4] });
    const { images, labels } = dataset.batch([0, 17, 39]);
    expect([...labels]).toEqual([0, 1, 0]);
    expect([images.data[0], images.data[24], images.data[71]].map((v) => Math.round(255 * v!))).toEqual([0, 17, 39]);
    expect(done).toEqual([16, 32, 40]);
  });

  it('brings pictures to one size', async () => {
    const dataset = await imagesDataset([file('cat', 8, 5, 9), file('dog', 3, 4, 9)], {
      ...options,
      size: 6,
      channels: 1,
    });
    expect(dataset.imageShape).toEqual([1, 6, 6]);
    for (const value of dataset.batch([0, 1]).images.data) expect(value).toBeCloseTo(9 / 255, 6);
  });

  it.each([
    ['no pictures', [], 'no pictures for the split'],
    [
      'pictures of different sizes',
      [file('cat', 2, 2, 0), file('cat', 3, 2, 0)],
      '3 × 2 pixels, but others have 2 × 2',
    ],
    ['a damaged picture', [file('cat', 2, 2, 0), file('dog', 0)], 'dog/0: not a picture'],
    ['an unknown class', [file('cow', 2, 2, 0)], 'label -1'],
  ])('refuses %s', async (_, files, message) => {
    await expect(imagesDataset(files, options)).rejects.toThrow(DataError);
    await expect(imagesDataset(files, options)).rejects.toThrow(message);
  });

  it('stops when told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(imagesDataset([file('cat', 1, 1, 1)], { ...options, signal })).rejects.toThrow('enough');
  });
});

describe('tarImages', () => {
  const archive = createTar([
    { name: 'set/train/00001_dog.jpg', data: 'b' },
    { name: 'set/train/00000_cat.jpg', data: 'a' },
    { name: 'set/test/00010_dog.jpg', data: 'd' },
    { name: 'set/test/9_cow.jpg', data: 'c' },
    { name: 'set/readme.txt', data: 'x' },
  ]);

  it('finds the pictures of a split in the order of their index', async () => {
    const { files, classes } = tarImages(archive, 'test');
    expect(classes).toEqual(['cat', 'cow', 'dog']);
    expect(files.map(({ label }) => label)).toEqual(['cow', 'dog']);
    expect(new TextDecoder().decode(await files[0]!.read())).toBe('c');
  });

  it('takes a folder a class, too', () => {
    const folders = createTar([
      { name: 'train/cat/b.png', data: 'b' },
      { name: 'train/cat/a.png', data: 'a' },
    ]);
    expect(tarImages(folders, 'train').files.map(({ name }) => name)).toEqual([
      'tar archive: train/cat/a.png',
      'tar archive: train/cat/b.png',
    ]);
  });

  it('says what it expects when there is nothing', () => {
    expect(() => tarImages(archive, 'val', 'f.tar')).toThrow('f.tar: it holds no pictures called val/<index>_<class>');
  });
});
