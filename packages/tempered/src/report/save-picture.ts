/** @file Node only. Pictures of a run. */
import { type Bitmap, upscale } from '../image/bitmap.ts';
import { encodePng } from '../image/node/encode.ts';
import type { Run } from '../runs/run.ts';
import { dataUri } from './data-uri.ts';
import type { Picture } from './study-result.ts';

/** Small pictures are enlarged in their files to about this many pixels, so that they can be looked at. */
const VIEWED = 256;

/** Where a picture of this name is in the run. */
export const pictureFile = (name: string): string => `images/${name}.png`;

/** Writes `images/<name>.png` and returns the picture at its natural size as a data URI: the report enlarges by itself. */
export async function savePicture(run: Run, name: string, bitmap: Bitmap): Promise<Picture> {
  const factor = Math.max(1, Math.floor(VIEWED / Math.max(bitmap.width, bitmap.height)));
  await run.write(pictureFile(name), await encodePng(upscale(bitmap, factor)));
  return dataUri(await encodePng(bitmap), 'image/png');
}
