import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';
import { renderImage } from '../render.ts';
import { decodeImage, encodeAnimation, encodePng } from './encode.ts';

const gradient = (channels: number): Tensor => ({
  shape: [1, channels, 4, 5],
  data: Float32Array.from({ length: channels * 20 }, (_, i) => ((i * 11) % 256) / 255),
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tempered-encode-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('PNG', () => {
  it.each([1, 3] as const)('keeps every value of %d channel(s)', async (channels) => {
    const image = gradient(channels);
    const bytes = await encodePng(renderImage(image));
    const decoded = await decodeImage(bytes, { channels });
    expect(decoded.shape).toEqual(image.shape);
    decoded.data.forEach((value, i) => void expect(value).toBeCloseTo(image.data[i]!, 6));
  });
});

it('writes an animation that another reader finds complete', async () => {
  const frames = [0, 0.5, 1].map((value) => renderImage({ shape: [1, 8, 8], data: new Float32Array(64).fill(value) }));
  const bytes = await encodeAnimation(frames, { delay: [40, 40, 400], loop: 3 });
  const metadata = await sharp(bytes, { animated: true }).metadata();
  expect(metadata).toMatchObject({ format: 'webp', pages: 3, pageHeight: 8, width: 8, loop: 3, delay: [40, 40, 400] });
  const last = await sharp(bytes, { page: 2 }).raw().toBuffer();
  expect(last[0]).toBe(255);
});

it('refuses frames of different sizes', async () => {
  const frame = (size: number) => renderImage({ shape: [1, size, size], data: new Float32Array(size * size) });
  await expect(encodeAnimation([frame(4), frame(5)])).rejects.toThrow(/Frame 1 is 5 × 5/);
  await expect(encodeAnimation([])).rejects.toThrow(RangeError);
});

describe('decodeImage', () => {
  it('reads grey files as one channel, colour files as three', async () => {
    const raw = { width: 2, height: 1, channels: 1 } as const;
    const grey = await sharp(Uint8Array.of(0, 102), { raw }).toColourspace('b-w').png().toBuffer();
    const decoded = await decodeImage(grey);
    expect(decoded.shape).toEqual([1, 1, 1, 2]);
    expect(decoded.data[1]).toBeCloseTo(0.4, 6);
    expect((await decodeImage(grey, { channels: 3 })).shape).toEqual([1, 3, 1, 2]);
  });

  it('lays transparency over white and turns the picture upright', async () => {
    const raw = { width: 2, height: 1, channels: 4 } as const;
    const bytes = await sharp(Uint8Array.of(0, 0, 0, 0, 255, 0, 0, 255), { raw })
      .withMetadata({ orientation: 6 })
      .png()
      .toBuffer();
    const { shape, data } = await decodeImage(bytes);
    expect(shape).toEqual([1, 3, 2, 1]);
    expect([...data]).toEqual([1, 1, 1, 0, 1, 0]);
  });

  it('names the file that is missing, truncated or no image', async () => {
    const missing = join(folder, 'missing.png');
    await expect(decodeImage(missing)).rejects.toThrow(
      new DataError(`the image ${missing} cannot be read: there is no such file or folder`),
    );
    const text = join(folder, 'text.png');
    await writeFile(text, 'not an image');
    await expect(decodeImage(text)).rejects.toThrow(DataError);
    await expect(decodeImage(text)).rejects.toThrow(text);
    const noise = { shape: [1, 64, 64], data: Float32Array.from({ length: 4096 }, (_, i) => ((i * 7919) % 251) / 255) };
    const whole = await encodePng(renderImage(noise));
    await expect(decodeImage(whole.subarray(0, whole.length / 2))).rejects.toThrow(DataError);
  });
});
