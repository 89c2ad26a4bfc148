/** @file Filling outlines: how much of every pixel lies inside, from 4 × 4 sample points a pixel. */

import type { Outline } from './silhouettes.ts';

/** Sample points along each side of a pixel. */
const SAMPLES = 4;

export interface Pose {
  /** Where the outline's origin goes, in pixels. */
  readonly x: number;
  readonly y: number;
  /** Pixels per unit of the outline. */
  readonly scale: number;
  /** Cosine and sine of the rotation. */
  readonly cos: number;
  readonly sin: number;
}

/**
 * Fills outlines by the even–odd rule.
 *
 * @param coverage overwritten; `size` × `size`, 0 (outside) to 16 (inside)
 */
export function fillCoverage(coverage: Uint8Array, size: number, outlines: readonly Outline[], pose: Pose): void {
  coverage.fill(0);
  const lines = size * SAMPLES;
  const crossings: (number[] | undefined)[] = new Array(lines);
  for (const outline of outlines) {
    const points = placed(outline, pose);
    let x0 = points[points.length - 2]!;
    let y0 = points[points.length - 1]!;
    for (let i = 0; i < points.length; i += 2) {
      const x1 = points[i]!;
      const y1 = points[i + 1]!;
      // The sample rows between the two ends; half open, so that a vertex on a row counts once.
      const from = Math.max(0, Math.ceil(Math.min(y0, y1) - 0.5));
      const to = Math.min(lines, Math.ceil(Math.max(y0, y1) - 0.5));
      const slope = (x1 - x0) / (y1 - y0);
      for (let line = from; line < to; line++) {
        const x = x0 + (line + 0.5 - y0) * slope;
        const found = crossings[line];
        if (found) found.push(x);
        else crossings[line] = [x];
      }
      x0 = x1;
      y0 = y1;
    }
  }
  for (let line = 0; line < lines; line++) {
    const xs = crossings[line];
    if (!xs) continue;
    if (xs.length > 2) xs.sort((a, b) => a - b);
    else if (xs.length === 2 && xs[0]! > xs[1]!) xs.reverse();
    const row = Math.floor(line / SAMPLES) * size;
    for (let k = 0; k + 1 < xs.length; k += 2) {
      const from = Math.max(0, Math.ceil(xs[k]! - 0.5));
      const to = Math.min(lines, Math.ceil(xs[k + 1]! - 0.5));
      for (let sample = from; sample < to; sample++) coverage[row + ((sample / SAMPLES) | 0)]!++;
    }
  }
}

/** The outline's points in units of sample spacings. */
function placed(outline: Outline, { x, y, scale, cos, sin }: Pose): Float64Array {
  const points = new Float64Array(outline.length);
  for (let i = 0; i < outline.length; i += 2) {
    const [u, v] = [outline[i]!, outline[i + 1]!];
    points[i] = SAMPLES * (x + scale * (cos * u - sin * v));
    points[i + 1] = SAMPLES * (y + scale * (sin * u + cos * v));
  }
  return points;
}
