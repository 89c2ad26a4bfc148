/** @file The ten silhouettes of the shapes data set, as closed outlines, scaled to area 1 and centred on their centroid. */

import { cosTurns, sinTurns } from '../../portable-math.ts';

/** x, y, x, y, … with y pointing down. */
export type Outline = readonly number[];

export interface Silhouette {
  readonly name: string;
  /** Filled by the even–odd rule: the second outline of the ring is its hole. */
  readonly outlines: readonly Outline[];
  /** Distance from the centroid to the farthest point, in units where the area is 1. */
  readonly radius: number;
}

const turns = (count: number): number[] => Array.from({ length: count }, (_, i) => i / count);

const circle = (radius: number, points = 48): Outline =>
  turns(points).flatMap((t) => [radius * cosTurns(t), radius * sinTurns(t)]);

function star(spikes: number, inner: number): Outline {
  return turns(2 * spikes).flatMap((t, i) => {
    const radius = i % 2 === 0 ? 1 : inner;
    return [radius * sinTurns(t), -radius * cosTurns(t)];
  });
}

// `**` is one of the operations that engines may compute differently.
const square = (x: number): number => x * x;
const cube = (x: number): number => x * x * x;

/** The curve x = 16 sin³t, y = 13 cos t − 5 cos 2t − 2 cos 3t − cos 4t. */
function heart(): Outline {
  return turns(48).flatMap((t) => [
    16 * cube(sinTurns(t)),
    -(13 * cosTurns(t) - 5 * cosTurns(2 * t) - 2 * cosTurns(3 * t) - cosTurns(4 * t)),
  ]);
}

/** What is left of the unit disc when a disc of `radius` at (`offset`, 0) is taken away. */
function crescent(radius: number, offset: number): Outline {
  const tipX = (1 - radius * radius + offset * offset) / (2 * offset);
  const tipY = Math.sqrt(1 - tipX * tipX);
  const outer = arc(0, 1, tipX, tipY, 36);
  const inner = arc(offset, radius, tipX - offset, tipY, 24);
  const back: number[] = [];
  for (let i = inner.length - 2; i >= 0; i -= 2) back.push(inner[i]!, inner[i + 1]!);
  return [...outer, ...back];
}

/** The part of a circle that lies left of the chord between (`x`, `y`) and (`x`, −`y`), both relative to the centre. */
function arc(centreX: number, radius: number, x: number, y: number, points: number): Outline {
  const start = turnOf(x / radius, y / radius);
  return Array.from({ length: points + 1 }, (_, i) => start + ((1 - 2 * start) * i) / points).flatMap((t) => [
    centreX + radius * cosTurns(t),
    radius * sinTurns(t),
  ]);
}

/** The angle in [0, 1/2] turns of a point of the unit circle in the half plane y ≥ 0, by bisection. */
function turnOf(x: number, y: number): number {
  let low = 0;
  let high = 0.5;
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (cosTurns(middle) * y > sinTurns(middle) * x) low = middle;
    else high = middle;
  }
  return low;
}

const CROSS_ARM = 0.36;

const SHAPES: readonly (readonly [name: string, ...outlines: Outline[]])[] = [
  ['circle', circle(1)],
  ['square', [-1, -1, 1, -1, 1, 1, -1, 1]],
  ['triangle', turns(3).flatMap((t) => [sinTurns(t), -cosTurns(t)])],
  ['star', star(5, 0.42)],
  [
    'cross',
    [
      ...[-CROSS_ARM, -1, CROSS_ARM, -1, CROSS_ARM, -CROSS_ARM, 1, -CROSS_ARM, 1, CROSS_ARM, CROSS_ARM, CROSS_ARM],
      ...[CROSS_ARM, 1, -CROSS_ARM, 1, -CROSS_ARM, CROSS_ARM, -1, CROSS_ARM, -1, -CROSS_ARM, -CROSS_ARM, -CROSS_ARM],
    ],
  ],
  ['ring', circle(1), circle(0.52)],
  ['heart', heart()],
  ['arrow', [0, -1, 0.85, 0, 0.34, 0, 0.34, 1, -0.34, 1, -0.34, 0, -0.85, 0]],
  ['crescent', crescent(0.82, 0.55)],
  ['bolt', [0.3, -1, -0.74, 0.2, -0.12, 0.2, -0.38, 1, 0.76, -0.3, 0.14, -0.3, 0.7, -1]],
];

export const SILHOUETTES: readonly Silhouette[] = SHAPES.map(([name, ...outlines]) => normalized(name, outlines));

function normalized(name: string, outlines: readonly Outline[]): Silhouette {
  // A later outline is a hole in the first.
  let area = 0;
  let x = 0;
  let y = 0;
  outlines.forEach((outline, i) => {
    const part = moments(outline);
    const sign = i === 0 ? 1 : -1;
    area += sign * part.area;
    x += sign * part.x;
    y += sign * part.y;
  });
  const scale = 1 / Math.sqrt(area);
  const moved = outlines.map((outline) => outline.map((v, i) => (v - (i % 2 === 0 ? x : y) / area) * scale));
  let radius = 0;
  for (const outline of moved) {
    for (let i = 0; i < outline.length; i += 2) {
      radius = Math.max(radius, square(outline[i]!) + square(outline[i + 1]!));
    }
  }
  return { name, outlines: moved, radius: Math.sqrt(radius) };
}

/** Area and first moments of a polygon, positive whichever way round it goes. */
function moments(outline: Outline): { area: number; x: number; y: number } {
  let area = 0;
  let x = 0;
  let y = 0;
  for (let i = 0; i < outline.length; i += 2) {
    const [x0, y0] = [outline[i]!, outline[i + 1]!];
    const [x1, y1] = [outline[(i + 2) % outline.length]!, outline[(i + 3) % outline.length]!];
    const product = x0 * y1 - x1 * y0;
    area += product / 2;
    x += ((x0 + x1) * product) / 6;
    y += ((y0 + y1) * product) / 6;
  }
  return area < 0 ? { area: -area, x: -x, y: -y } : { area, x, y };
}
