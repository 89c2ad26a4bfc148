import { describe, expect, it } from 'vitest';
import { DataError } from '../errors.ts';
import { createRandom } from '../random.ts';
import { batches, first, fromArrays, subset } from './dataset.ts';

const arrays = {
  name: 'tiny',
  split: 'train',
  classes: ['a', 'b'],
  imageShape: [2, 1, 2] as const,
  pixels: Uint8Array.from({ length: 20 }, (_, i) => 10 * i),
  labels: [0, 1, 0, 1, 1],
  masks: Uint8Array.of(0, 1, 1, 0, 1, 1, 0, 0, 0, 1),
};
const tiny = fromArrays(arrays);

describe('fromArrays', () => {
  it('gives images in [0, 1], labels and masks in the order asked for', () => {
    const { images, labels } = tiny.batch([3, 0]);
    expect(images.shape).toEqual([2, 2, 1, 2]);
    expect([...images.data]).toEqual([120, 130, 140, 150, 0, 10, 20, 30].map((v) => Math.fround(v / 255)));
    expect([...labels]).toEqual([1, 0]);
    expect(tiny.masks!([3, 0])).toEqual({ shape: [2, 1, 1, 2], data: Float32Array.of(0, 0, 0, 1) });
  });

  it('keeps float pixels as they are', () => {
    const pixels = Float32Array.from({ length: 20 }, (_, i) => i / 20);
    expect([...fromArrays({ ...arrays, pixels }).batch([1]).images.data]).toEqual([...pixels.subarray(4, 8)]);
  });

  it.each([
    ['pixels', { pixels: new Uint8Array(19) }, '5 labels need 20 pixel values, but there are 19'],
    ['masks', { masks: new Uint8Array(3) }, '5 masks need 10 values, but there are 3'],
    ['labels', { labels: [0, 1, 2, 0, 0] }, 'image 2 has label 2, but there are 2 classes'],
  ])('refuses %s that do not fit', (_, change, message) => {
    expect(() => fromArrays({ ...arrays, ...change })).toThrow(DataError);
    expect(() => fromArrays({ ...arrays, ...change })).toThrow(message);
  });

  it('refuses an index outside', () => {
    expect(() => tiny.batch([5])).toThrow('no image 5 among 5');
  });
});

describe('subset', () => {
  it('renumbers images, labels and masks', () => {
    const part = subset(tiny, [4, 2]);
    expect(part.count).toBe(2);
    expect(part.batch([1])).toEqual(tiny.batch([2]));
    expect(part.masks!([0])).toEqual(tiny.masks!([4]));
    expect(() => part.batch([2])).toThrow('no image 2 among 2');
    expect(() => subset(tiny, [7])).toThrow('no image 7 among 5');
  });

  it('takes the first ones, however many there are', () => {
    expect(first(tiny, 2).count).toBe(2);
    expect(first(tiny, 99).count).toBe(5);
  });
});

describe('batches', () => {
  const lists = (options: Parameters<typeof batches>[1]) => [...batches(tiny, options)].map((indices) => [...indices]);

  it('goes through the set in file order, with or without a short last batch', () => {
    expect(lists({ batchSize: 2 })).toEqual([[0, 1], [2, 3], [4]]);
    expect(lists({ batchSize: 2, dropLast: true })).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });

  it('shuffles by the generator, every image once', () => {
    const order = lists({ batchSize: 3, shuffle: createRandom(1) });
    expect(order).toEqual(lists({ batchSize: 3, shuffle: createRandom(1) }));
    expect(order.flat().sort()).toEqual([0, 1, 2, 3, 4]);
  });

  it('refuses an empty batch', () => {
    expect(() => lists({ batchSize: 0 })).toThrow(RangeError);
  });
});
