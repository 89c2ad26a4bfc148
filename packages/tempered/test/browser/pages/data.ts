/** @file A page that makes and reads data sets, for `data.test.ts`. */
import { imagesDataset, tarImages } from '../../../src/data/images.ts';
import { shapes } from '../../../src/data/shapes/shapes.ts';
import { decodeImageInBrowser } from '../../../src/data/web/decode-image.ts';

const functions = {
  /** SHA-256 of the pixels and masks of the first images of a split. */
  async digest(split: 'train' | 'conflict', count: number): Promise<string> {
    const dataset = shapes({ split, count });
    const indices = Uint32Array.from({ length: count }, (_, i) => i);
    const { images } = dataset.batch(indices);
    const bytes = new Blob([
      images.data as Float32Array<ArrayBuffer>,
      dataset.masks!(indices).data as Float32Array<ArrayBuffer>,
    ]);
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', await bytes.arrayBuffer()));
    return [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  },

  /** Values of the pictures in a tar archive, or the error's name and message. */
  async readTar(archive: readonly number[], size: number | undefined): Promise<number[] | string> {
    try {
      const { files, classes } = tarImages(Uint8Array.from(archive), 'test');
      const dataset = await imagesDataset(files, {
        name: 'tar',
        split: 'test',
        classes,
        decode: decodeImageInBrowser,
        size,
      });
      return [...dataset.batch(files.map((_, i) => i)).images.data];
    } catch (error) {
      return String(error);
    }
  },
};

export type DataPage = typeof functions;

Object.assign(globalThis, { dataPage: functions, ready: true });
