/** @file Decoding pictures with the browser's own decoders. */

import { DataError } from '../../errors.ts';
import { zeros } from '../../tensor.ts';
import type { ImageDecoder } from '../images.ts';

/** The share of each channel in the grey of a colour picture (ITU-R BT.709). */
const LUMINANCE = [0.2126, 0.7152, 0.0722] as const;

/**
 * Decodes a picture file that the browser knows to [1, channels, H, W] in [0, 1]. Transparency is laid over white, and
 * colours are taken as sRGB. Works in pages and workers.
 *
 * @throws DataError when the browser cannot decode it
 */
export const decodeImageInBrowser: ImageDecoder = async (bytes, { channels }) => {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(new Blob([bytes.slice()]), { colorSpaceConversion: 'none' });
  } catch (error) {
    throw new DataError('not an image that this browser can read', { cause: error });
  }
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d');
  if (!context) throw new DataError(`no canvas of ${width} × ${height} pixels can be made`);
  context.fillStyle = 'white';
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);

  const image = zeros([1, channels, height, width]);
  const area = width * height;
  for (let p = 0; p < area; p++) {
    const [red, green, blue] = [data[4 * p]! / 255, data[4 * p + 1]! / 255, data[4 * p + 2]! / 255];
    if (channels === 1) {
      image.data[p] = LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue;
    } else {
      image.data[p] = red;
      image.data[area + p] = green;
      image.data[2 * area + p] = blue;
    }
  }
  return image;
};
