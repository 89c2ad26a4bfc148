import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { createTar } from 'nanotar';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imagesDataset, tarImages } from '../../src/data/images.ts';
import { shapes } from '../../src/data/shapes/shapes.ts';
import { decodeImage } from '../../src/image/node/encode.ts';
import { type OpenPage, openPage, whyNoBrowser } from './harness.ts';
import type { DataPage } from './pages/data.ts';

const skipReason = whyNoBrowser();
if (skipReason !== undefined) console.warn(skipReason);

declare const dataPage: DataPage;

/** A picture in which every pixel differs. */
const picture = (width: number, height: number) =>
  sharp(
    Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * 37) % 256),
    { raw: { width, height, channels: 3 } },
  )
    .png()
    .toBuffer();

describe.skipIf(skipReason !== undefined)('data in a browser', () => {
  let opened: OpenPage;
  beforeAll(async () => {
    opened = await openPage(fileURLToPath(new URL('./pages/data.ts', import.meta.url)));
  });
  afterAll(() => opened?.close());

  it.each(['train', 'conflict'] as const)('makes the same shapes as Node: %s', async (split) => {
    const dataset = shapes({ split, count: 100 });
    const indices = Uint32Array.from({ length: 100 }, (_, i) => i);
    const hash = createHash('sha256');
    for (const { data } of [dataset.batch(indices).images, dataset.masks!(indices)])
      hash.update(new Uint8Array(data.buffer));
    expect(await opened.page.evaluate((name) => dataPage.digest(name, 100), split)).toBe(hash.digest('hex'));
  });

  it.each([undefined, 6])('reads the pictures of a tar archive as Node does, size %s', async (size) => {
    const archive = createTar([
      { name: 'test/0_a.png', data: await picture(9, 9) },
      { name: 'test/1_b.png', data: await picture(9, 9) },
    ]);
    const { files, classes } = tarImages(archive, 'test');
    const expected = await imagesDataset(files, { name: 'tar', split: 'test', classes, decode: decodeImage, size });
    const values = await opened.page.evaluate(([bytes, side]) => dataPage.readTar(bytes, side), [
      [...archive],
      size,
    ] as const);
    expect(values).toEqual([...expected.batch([0, 1]).images.data]);
  });

  it('says so when a picture cannot be read', async () => {
    const archive = createTar([{ name: 'test/0_a.png', data: 'no picture' }]);
    const message = await opened.page.evaluate((bytes) => dataPage.readTar(bytes, undefined), [...archive]);
    expect(message).toBe('DataError: tar archive: test/0_a.png: not an image that this browser can read');
  });
});
