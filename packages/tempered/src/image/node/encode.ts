/** @file Image files in Node: PNG and animated WebP out, anything sharp reads in. */

import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { DataError, fileReason } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';
import type { Bitmap } from '../bitmap.ts';

const bytesOf = ({ data }: Bitmap): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** A bitmap as a PNG file: lossless, the same bytes for the same picture. */
export async function encodePng(bitmap: Bitmap): Promise<Uint8Array> {
  const { width, height } = bitmap;
  return sharp(bytesOf(bitmap), { raw: { width, height, channels: 4 } })
    .png({ compressionLevel: 9, adaptiveFiltering: false })
    .toBuffer();
}

/** More pixels than this along a side are of no use, and some programs do not open them. */
const LONGEST_SIDE = 8000;

/**
 * An SVG file as a PNG file, `scale` times as large as it says, less where that would be too large.
 *
 * @param size in pixels, as the SVG has it
 */
export async function rasterise(
  svg: string,
  size: { readonly width: number; readonly height: number },
  scale = 2,
): Promise<Uint8Array> {
  const factor = Math.min(scale, LONGEST_SIDE / Math.max(size.width, size.height));
  // 72 dots per inch draw it at its own size.
  return sharp(new TextEncoder().encode(svg), { density: 72 * factor, unlimited: true })
    .png({ compressionLevel: 9, palette: false })
    .toBuffer();
}

export interface AnimationOptions {
  /** Milliseconds a frame: one number for all, or one for each. Default 80. */
  delay?: number | readonly number[];
  /** How often it plays; 0 for ever. Default 0. */
  loop?: number;
}

/**
 * Frames of equal size as an animated, lossless WebP file.
 *
 * @throws RangeError for no frames or frames of different sizes
 *
 * @example await encodeAnimation(history.map((x) => upscale(renderImage(x), 4)), { delay: 60 })
 */
export async function encodeAnimation(
  frames: readonly Bitmap[],
  { delay = 80, loop = 0 }: AnimationOptions = {},
): Promise<Uint8Array> {
  const first = frames[0];
  if (!first) throw new RangeError('An animation needs at least one frame.');
  const { width, height } = first;
  const stacked = new Uint8Array(4 * width * height * frames.length);
  frames.forEach((frame, i) => {
    if (frame.width !== width || frame.height !== height)
      throw new RangeError(`Frame ${i} is ${frame.width} × ${frame.height}, the first ${width} × ${height} pixels.`);
    stacked.set(frame.data, 4 * width * height * i);
  });
  const raw = { width, height: height * frames.length, channels: 4, pageHeight: height } as const;
  const delays = frames.map((_, i) => (typeof delay === 'number' ? delay : (delay[i] ?? delay.at(-1) ?? 80)));
  return sharp(stacked, { raw }).webp({ lossless: true, effort: 4, loop, delay: delays }).toBuffer();
}

/**
 * Reads an image file as [1, C, H, W] in [0, 1]: C is 1 for grey files and 3 otherwise, unless asked for.
 * The camera's orientation is applied and transparency is laid over white.
 *
 * @param source a file name or the file's bytes
 * @param channels 1 turns colour into grey, 3 repeats grey
 * @throws DataError when the file is missing, truncated or not an image
 */
export async function decodeImage(
  source: string | Uint8Array,
  { channels }: { channels?: 1 | 3 } = {},
): Promise<Tensor> {
  const name = typeof source === 'string' ? source : 'The image';
  const bytes = typeof source === 'string' ? await readImageFile(source) : source;
  try {
    const opened = sharp(bytes, { failOn: 'truncated' });
    const { space } = await opened.metadata();
    const depth = channels ?? (space === 'b-w' || space === 'grey16' ? 1 : 3);
    const { data, info } = await opened
      .autoOrient()
      .flatten({ background: 'white' })
      .toColourspace(depth === 1 ? 'b-w' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return planar(data, info.channels, depth, info.height, info.width);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new DataError(`${name} is not an image that can be read: ${reason}.`, { cause: error });
  }
}

async function readImageFile(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new DataError(`the image ${path} cannot be read: ${fileReason(error)}`, { cause: error });
  }
}

/** Interleaved bytes with `stride` channels to planes in [0, 1]. */
function planar(bytes: Uint8Array, stride: number, depth: number, height: number, width: number): Tensor {
  const data = new Float32Array(depth * height * width);
  for (let channel = 0; channel < depth; channel++)
    for (let pixel = 0; pixel < height * width; pixel++)
      data[channel * height * width + pixel] = bytes[pixel * stride + Math.min(channel, stride - 1)]! / 255;
  return { shape: [1, depth, height, width], data };
}
