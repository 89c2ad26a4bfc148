/** @file Colours and textures of the shapes data set: arithmetic and table look-ups only, so every platform draws the same. */

import { cosTurns, sinTurns } from '../../portable-math.ts';
import type { Random } from '../../random.ts';

/** Red, green, blue in [0, 1]. */
export type Colour = readonly [number, number, number];

/** The colour of a hue in turns, a saturation and a value, both in [0, 1]. */
export function fromHsv(hue: number, saturation: number, value: number): Colour {
  const channel = (shift: number): number => {
    const k = (shift + 6 * hue) % 6;
    return value - value * saturation * Math.max(0, Math.min(k, 4 - k, 1));
  };
  return [channel(5), channel(3), channel(1)];
}

/** The largest difference in a channel. */
export const contrast = (a: Colour, b: Colour): number =>
  Math.max(Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1]), Math.abs(a[2] - b[2]));

/** Perceived brightness in [0, 1] (ITU-R BT.601). */
const brightness = ([red, green, blue]: Colour): number => 0.299 * red + 0.587 * green + 0.114 * blue;

/** How much brighter than the background an object is at least. */
const BRIGHTER = 0.12;

/**
 * Two colours that differ by at least `least` in some channel, the second the brighter one: were objects as often dark
 * on light, a network would have to learn every silhouette twice.
 */
export function drawColours(random: Random, least: number): [background: Colour, foreground: Colour] {
  for (;;) {
    const hue = random.uniform();
    const background = fromHsv(hue, 0.3 + 0.55 * random.uniform(), 0.2 + 0.45 * random.uniform());
    const distance = 0.1 + 0.8 * random.uniform();
    const foreground = fromHsv((hue + distance) % 1, 0.4 + 0.55 * random.uniform(), 0.55 + 0.38 * random.uniform());
    const brighter = brightness(foreground) - brightness(background) >= BRIGHTER;
    if (brighter && contrast(background, foreground) >= least) return [background, foreground];
  }
}

/** Draws a texture at random: a value in [−1, 1] for every pixel, written into `target` ([size, size]). */
export function drawTexture(target: Float32Array, size: number, random: Random): void {
  const draw = TEXTURES[random.integer(TEXTURES.length)]!;
  const value = draw(size, random);
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) target[y * size + x] = value(x, y);
}

type Texture = (size: number, random: Random) => (x: number, y: number) => number;

/** A ramp from side to side in some direction. */
const ramp: Texture = (size, random) => {
  const angle = random.uniform();
  const [dx, dy] = [cosTurns(angle), sinTurns(angle)];
  const reach = size * 0.71;
  return (x, y) => ((x - size / 2) * dx + (y - size / 2) * dy) / reach;
};

/** A triangle wave of period 1, from −1 to 1. */
const wave = (t: number): number => 4 * Math.abs(t - Math.floor(t) - 0.5) - 1;

const stripes: Texture = (_, random) => {
  const angle = random.uniform();
  const period = 5 + 5 * random.uniform();
  const [dx, dy] = [cosTurns(angle) / period, sinTurns(angle) / period];
  const phase = random.uniform();
  return (x, y) => wave(x * dx + y * dy + phase);
};

const checks: Texture = (_, random) => {
  const angle = random.uniform();
  const period = 7 + 5 * random.uniform();
  const [dx, dy] = [cosTurns(angle) / period, sinTurns(angle) / period];
  const [phaseX, phaseY] = [random.uniform(), random.uniform()];
  return (x, y) => {
    const product = 3 * wave(x * dx + y * dy + phaseX) * wave(y * dx - x * dy + phaseY);
    return Math.max(-1, Math.min(1, product));
  };
};

/** Random values on a coarse lattice, smoothly interpolated. */
const clouds: Texture = (size, random) => {
  const spacing = 4 + random.integer(5);
  const width = Math.ceil(size / spacing) + 2;
  const lattice = new Float32Array(width * width);
  random.fillUniform(lattice, -1, 1);
  const smooth = (t: number): number => t * t * (3 - 2 * t);
  return (x, y) => {
    const column = Math.floor(x / spacing);
    const row = Math.floor(y / spacing);
    const u = smooth(x / spacing - column);
    const v = smooth(y / spacing - row);
    const p = row * width + column;
    const above = lattice[p]! + u * (lattice[p + 1]! - lattice[p]!);
    const below = lattice[p + width]! + u * (lattice[p + width + 1]! - lattice[p + width]!);
    return above + v * (below - above);
  };
};

const TEXTURES: readonly Texture[] = [ramp, stripes, checks, clouds];
