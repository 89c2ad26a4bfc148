import { cosTurns, sinTurns } from '../portable-math.ts';

/**
 * Turns one image [C, H, W] in place about its centre, counter-clockwise, with bilinear interpolation; outside it is black.
 *
 * @param degrees any angle
 */
export function rotate(
  pixels: Float32Array,
  [channels, height, width]: readonly [number, number, number],
  degrees: number,
): void {
  const source = pixels.slice();
  const [c, s] = [cosTurns(degrees / 360), sinTurns(degrees / 360)];
  const [middleX, middleY] = [(width - 1) / 2, (height - 1) / 2];
  const area = height * width;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      // Where the pixel comes from; the vertical axis points down.
      const fromX = middleX + c * (x - middleX) - s * (y - middleY);
      const fromY = middleY + s * (x - middleX) + c * (y - middleY);
      const [left, top] = [Math.floor(fromX), Math.floor(fromY)];
      const [right, bottom] = [fromX - left, fromY - top];
      const target = y * width + x;
      for (let plane = 0; plane < channels; plane++) pixels[plane * area + target] = 0;
      add(target, left, top, (1 - right) * (1 - bottom));
      add(target, left + 1, top, right * (1 - bottom));
      add(target, left, top + 1, (1 - right) * bottom);
      add(target, left + 1, top + 1, right * bottom);
    }
  }

  function add(target: number, x: number, y: number, weight: number): void {
    if (x < 0 || x >= width || y < 0 || y >= height || weight === 0) return;
    for (let plane = 0; plane < channels; plane++)
      pixels[plane * area + target]! += weight * source[plane * area + y * width + x]!;
  }
}
