import type { Tensor } from '../tensor.ts';

/** The border of a mask as an SVG path in pixel units, to be drawn over a picture of `width` × `height` pixels. */
export interface Outline {
  readonly width: number;
  readonly height: number;
  readonly path: string;
}

/**
 * Outlines the pixels of a mask that are above one half, along pixel edges.
 *
 * @param mask [N, 1, H, W], [1, H, W] or [H, W]
 * @param index which mask of the batch
 *
 * @example const { path } = maskOutline(masks, { index: 3 }) // 'M4 2h3M4 2v1…'
 */
export function maskOutline(mask: Tensor, { index = 0 }: { index?: number } = {}): Outline {
  const height = mask.shape.at(-2) ?? 1;
  const width = mask.shape.at(-1) ?? 1;
  const inside = (x: number, y: number): boolean =>
    x >= 0 && y >= 0 && x < width && y < height && mask.data[index * width * height + y * width + x]! > 0.5;
  const segments: string[] = [];
  for (let y = 0; y <= height; y++)
    segments.push(...runs(width, (x) => inside(x, y) !== inside(x, y - 1)).map(([x, n]) => `M${x} ${y}h${n}`));
  for (let x = 0; x <= width; x++)
    segments.push(...runs(height, (y) => inside(x, y) !== inside(x - 1, y)).map(([y, n]) => `M${x} ${y}v${n}`));
  return { width, height, path: segments.join('') };
}

/** Start and length of every run of consecutive positions that satisfy a condition. */
function runs(length: number, holds: (position: number) => boolean): [start: number, length: number][] {
  const found: [number, number][] = [];
  for (let position = 0; position < length; position++) {
    if (!holds(position)) continue;
    const last = found.at(-1);
    if (last && last[0] + last[1] === position) last[1]++;
    else found.push([position, 1]);
  }
  return found;
}
