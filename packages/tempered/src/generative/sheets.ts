/** @file Grids of small images, to look at. */
import { arrangeGrid, type Bitmap, upscale } from '../image/bitmap.ts';
import { renderImage } from '../image/render.ts';
import type { Tensor } from '../tensor.ts';

const SCALE = 3;
const GAP = 4;

/** Images [N, C, H, W] in [0, 1] row by row, each pixel as a square. */
export function sheet(images: Tensor, columns = 4): Bitmap {
  return arrangeGrid(rowsOf(images, columns), { gap: GAP });
}

/** As `sheet`, with a row of reconstructions below each row of images. */
export function pairSheet(images: Tensor, reconstructed: Tensor, columns = 8): Bitmap {
  const below = rowsOf(reconstructed, columns);
  return arrangeGrid(
    rowsOf(images, columns).flatMap((row, i) => [row, below[i]!]),
    { gap: GAP },
  );
}

function rowsOf(images: Tensor, columns: number): Bitmap[][] {
  const count = images.shape[0]!;
  return Array.from({ length: Math.ceil(count / columns) }, (_, row) =>
    Array.from({ length: Math.min(columns, count - row * columns) }, (_, column) =>
      upscale(renderImage(images, { index: row * columns + column }), SCALE),
    ),
  );
}
