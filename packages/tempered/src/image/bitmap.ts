/** @file Pictures as bytes, and the little geometry that pictures of small images need. */

/** 8-bit RGBA, row by row from the top left: what a canvas, a PNG encoder and a browser's ImageData all take. */
export interface Bitmap {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

export function createBitmap(width: number, height: number, rgba: readonly [number, number, number, number]): Bitmap {
  const data = new Uint8ClampedArray(4 * width * height);
  for (let i = 0; i < data.length; i += 4) data.set(rgba, i);
  return { width, height, data };
}

function copyInto(target: Bitmap, source: Bitmap, left: number, top: number): void {
  for (let y = 0; y < source.height; y++) {
    const row = source.data.subarray(4 * y * source.width, 4 * (y + 1) * source.width);
    target.data.set(row, 4 * ((top + y) * target.width + left));
  }
}

/**
 * Every pixel as a square of `factor` × `factor`, so that small images can be looked at without smoothing.
 *
 * @throws RangeError when the factor is not a positive integer
 */
export function upscale(bitmap: Bitmap, factor: number): Bitmap {
  if (!Number.isInteger(factor) || factor < 1)
    throw new RangeError(`The factor must be a positive integer, not ${factor}.`);
  const { width, height } = bitmap;
  const result = createBitmap(width * factor, height * factor, [0, 0, 0, 0]);
  for (let y = 0; y < height * factor; y++) {
    for (let x = 0; x < width * factor; x++) {
      const from = 4 * (Math.floor(y / factor) * width + Math.floor(x / factor));
      result.data.set(bitmap.data.subarray(from, from + 4), 4 * (y * width * factor + x));
    }
  }
  return result;
}

/**
 * Rows of bitmaps as one picture. Columns are as wide as their widest bitmap, rows as high as their highest;
 * `undefined` leaves a cell empty. Gaps and empty cells are transparent.
 *
 * @example arrangeGrid([[natural, adversarial], [gradientMap, undefined]], { gap: 2 })
 */
export function arrangeGrid(
  cells: readonly (readonly (Bitmap | undefined)[])[],
  { gap = 2 }: { gap?: number } = {},
): Bitmap {
  const columns = Math.max(0, ...cells.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, x) => Math.max(0, ...cells.map((row) => row[x]?.width ?? 0)));
  const heights = cells.map((row) => Math.max(0, ...row.map((cell) => cell?.height ?? 0)));
  const total = (sizes: readonly number[]) =>
    sizes.reduce((sum, size) => sum + size, 0) + gap * Math.max(0, sizes.length - 1);
  const start = (sizes: readonly number[], index: number) =>
    sizes.slice(0, index).reduce((sum, size) => sum + size + gap, 0);
  const result = createBitmap(total(widths), total(heights), [0, 0, 0, 0]);
  cells.forEach((row, y) => {
    row.forEach((cell, x) => {
      if (cell) copyInto(result, cell, start(widths, x), start(heights, y));
    });
  });
  return result;
}
