/** @file One picture of the shapes data set, without the non-robust pattern. */

import { cosTurns, sinTurns } from '../../portable-math.ts';
import { normalQuantile, type Random } from '../../random.ts';
import { fillCoverage } from './coverage.ts';
import { SILHOUETTES } from './silhouettes.ts';
import { type Colour, contrast, drawColours, drawTexture, fromHsv } from './textures.ts';

/** How hard the pictures are. */
export interface Difficulty {
  /** Largest rotation either way, in turns; 0.5 allows every orientation. Default: 1/12. */
  rotation: number;
  /** Range of the object's area, as a share of the image; narrow shapes stop short of it. Default: [0.15, 0.45]. */
  area: readonly [number, number];
  /** Smallest difference in some channel between background and object, which is the brighter; up to 0.75. Default: 0.35. */
  contrast: number;
  /** Amplitude of the textures, in [0, 1]. Default: 0.1. */
  texture: number;
  /** Most pieces of clutter behind the object. Default: 4. */
  clutter: number;
  /** Standard deviation of the noise, in levels of 255. Default: 4. */
  noise: number;
}

export const SIZE = 32;
const AREA = SIZE * SIZE;

/** Outlines stay within this distance of their centre, so that no shape is larger than the frame. */
const LARGEST_RADIUS = 15.5;
/** How far an outline may reach over the frame, in pixels. */
const OVERHANG = 1;

/** Work space, shared by the pictures of one data set. */
export interface Canvas {
  /** [3, size, size], in [0, 1]. */
  readonly pixels: Float32Array;
  /** Coverage by the object, 0 to 16. */
  readonly object: Uint8Array;
  readonly piece: Uint8Array;
  readonly texture: Float32Array;
}

export const createCanvas = (): Canvas => ({
  pixels: new Float32Array(3 * AREA),
  object: new Uint8Array(AREA),
  piece: new Uint8Array(AREA),
  texture: new Float32Array(AREA),
});

/** Draws the object of class `label` on a background; the result is in `canvas.pixels` and `canvas.object`. */
export function drawPicture(canvas: Canvas, label: number, random: Random, difficulty: Difficulty): void {
  const { pixels, object, texture } = canvas;
  const [background, foreground] = drawColours(random, difficulty.contrast);

  drawTexture(texture, SIZE, random);
  paint(canvas, undefined, background, tint(random, difficulty.texture));
  drawClutter(canvas, background, foreground, random, difficulty.clutter);

  placeObject(object, label, random, difficulty);
  drawTexture(texture, SIZE, random);
  paint(canvas, object, foreground, tint(random, difficulty.texture));

  addNoise(pixels, random, difficulty.noise);
}

/** How strongly the texture moves each channel. */
const tint = (random: Random, amplitude: number): Colour => [
  amplitude * (0.4 + 0.6 * random.uniform()),
  amplitude * (0.4 + 0.6 * random.uniform()),
  amplitude * (0.4 + 0.6 * random.uniform()),
];

/** Lays a textured colour over the picture where `coverage` says (everywhere without it). */
function paint({ pixels, texture }: Canvas, coverage: Uint8Array | undefined, colour: Colour, strength: Colour): void {
  for (let channel = 0; channel < 3; channel++) {
    const base = colour[channel]!;
    const amplitude = strength[channel]!;
    const offset = channel * AREA;
    for (let p = 0; p < AREA; p++) {
      const share = coverage ? coverage[p]! / 16 : 1;
      if (share === 0) continue;
      const old = pixels[offset + p]!;
      pixels[offset + p] = old + share * (base + amplitude * texture[p]! - old);
    }
  }
}

function placeObject(object: Uint8Array, label: number, random: Random, { rotation, area }: Difficulty): void {
  const { outlines, radius } = SILHOUETTES[label]!;
  const widest = LARGEST_RADIUS / radius;
  const largest = Math.min(area[1] * AREA, widest * widest);
  const smallest = Math.min(area[0] * AREA, largest);
  const scale = Math.sqrt(smallest + random.uniform() * (largest - smallest));
  const slack = SIZE / 2 - scale * radius + OVERHANG;
  const x = SIZE / 2 + slack * (2 * random.uniform() - 1);
  const y = SIZE / 2 + slack * (2 * random.uniform() - 1);
  const angle = rotation * (2 * random.uniform() - 1);
  fillCoverage(object, SIZE, outlines, { x, y, scale, cos: cosTurns(angle), sin: sinTurns(angle) });
}

/** Small irregular pieces, of colours nearer to the background than to the object. */
function drawClutter(canvas: Canvas, background: Colour, foreground: Colour, random: Random, most: number): void {
  const pieces = most > 0 ? random.integer(most + 1) : 0;
  canvas.texture.fill(0);
  for (let i = 0; i < pieces; i++) {
    const corners = 3 + random.integer(3);
    const outline: number[] = [];
    for (let corner = 0; corner < corners; corner++) {
      const angle = (corner + 0.6 * random.uniform()) / corners;
      const reach = 1.2 + 2 * random.uniform();
      outline.push(reach * cosTurns(angle), reach * sinTurns(angle));
    }
    const pose = { x: SIZE * random.uniform(), y: SIZE * random.uniform(), scale: 1, cos: 1, sin: 0 };
    const drawn = fromHsv(random.uniform(), 0.3 + 0.5 * random.uniform(), 0.3 + 0.6 * random.uniform());
    const share = contrast(drawn, foreground) < contrast(background, foreground) / 2 ? 0.35 : 0.8;
    fillCoverage(canvas.piece, SIZE, [outline], pose);
    paint(canvas, canvas.piece, mix(background, drawn, share), [0, 0, 0]);
  }
}

const mix = (a: Colour, b: Colour, share: number): Colour => [
  a[0] + share * (b[0] - a[0]),
  a[1] + share * (b[1] - a[1]),
  a[2] + share * (b[2] - a[2]),
];

/** A byte as a normal number: the middle of each of 256 slices of equal probability. */
const BYTE_TO_NORMAL = Float32Array.from({ length: 256 }, (_, byte) => normalQuantile((byte + 0.5) / 256));

function addNoise(pixels: Float32Array, random: Random, deviation: number): void {
  if (deviation === 0) return;
  const scale = deviation / 255;
  for (let p = 0; p < pixels.length; p += 4) {
    let bits = random.bits();
    for (let k = p; k < p + 4; k++) {
      pixels[k] = pixels[k]! + scale * BYTE_TO_NORMAL[bits & 255]!;
      bits >>>= 8;
    }
  }
}
