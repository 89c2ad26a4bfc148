/** @file The two colour maps of every picture of numbers: diverging for signed values, sequential for magnitudes. */

/** Red, green and blue, 0 to 255. */
export type Rgb = readonly [number, number, number];

/** Lightness, chroma and hue (degrees, not wrapped) in OKLab: https://bottosson.github.io/posts/oklab/ */
type Lch = readonly [number, number, number];

/**
 * A table of colours, first to last over the range of the map.
 * `from` and `to` are the values at its ends: -1 and 1 for the diverging map, 0 and 1 for the sequential one.
 */
export interface Colormap {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  /** Three bytes an entry. */
  readonly table: Uint8Array;
}

/** Entries on each side of the neutral centre, so that zero has an entry of its own. */
const HALF = 255;

function toLinearRgb([lightness, chroma, hue]: Lch): Rgb {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
    -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
    -0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short,
  ];
}

const encodeSrgb = (linear: number): number =>
  linear <= 0.0031308 ? 12.92 * linear : 1.055 * Math.max(linear, 0) ** (1 / 2.4) - 0.055;

/** Colours outside sRGB lose chroma, never lightness: lightness carries the value for everyone. */
function toBytes([lightness, chroma, hue]: Lch): Rgb {
  let reduced = chroma;
  let rgb = toLinearRgb([lightness, reduced, hue]);
  while (reduced > 0 && rgb.some((channel) => channel < -1e-4 || channel > 1 + 1e-4)) {
    reduced = Math.max(0, reduced - 0.002);
    rgb = toLinearRgb([lightness, reduced, hue]);
  }
  const [red, green, blue] = rgb.map((channel) => Math.round(255 * Math.min(1, Math.max(0, encodeSrgb(channel)))));
  return [red!, green!, blue!];
}

function interpolate(anchors: readonly Lch[], position: number): Lch {
  const scaled = position * (anchors.length - 1);
  const index = Math.min(Math.floor(scaled), anchors.length - 2);
  const from = anchors[index]!;
  const to = anchors[index + 1]!;
  const mix = (channel: 0 | 1 | 2) => from[channel] + (scaled - index) * (to[channel] - from[channel]);
  return [mix(0), mix(1), mix(2)];
}

function tableOf(size: number, color: (index: number) => Rgb): Uint8Array {
  const table = new Uint8Array(3 * size);
  for (let i = 0; i < size; i++) table.set(color(i), 3 * i);
  return table;
}

// Both arms share lightness and differ in hue only, so equal magnitudes look equally strong whatever their sign,
// and the two signs stay apart for every common form of colour blindness.
const COOL: readonly Lch[] = [
  [0.975, 0, 235],
  [0.87, 0.06, 238],
  [0.73, 0.115, 243],
  [0.58, 0.145, 250],
  [0.42, 0.14, 258],
];
const WARM: readonly Lch[] = [
  [0.975, 0, 70],
  [0.87, 0.075, 66],
  [0.73, 0.15, 55],
  [0.58, 0.165, 44],
  [0.42, 0.14, 34],
];

const MAGNITUDE: readonly Lch[] = [
  [0.18, 0.04, 275],
  [0.37, 0.13, 300],
  [0.56, 0.17, 360],
  [0.76, 0.15, 415],
  [0.96, 0.07, 460],
];

/** Blue for -1, neutral for 0, orange-red for 1; lightness falls equally on both sides. */
export const DIVERGING: Colormap = {
  name: 'diverging',
  from: -1,
  to: 1,
  table: tableOf(2 * HALF + 1, (i) => toBytes(interpolate(i < HALF ? COOL : WARM, Math.abs(i - HALF) / HALF))),
};

/** Near black for 0 to pale yellow for 1; lightness rises evenly. */
export const SEQUENTIAL: Colormap = {
  name: 'sequential',
  from: 0,
  to: 1,
  table: tableOf(256, (i) => toBytes(interpolate(MAGNITUDE, i / 255))),
};

/**
 * The colour of a value; values beyond the ends take the colour of the end, NaN the colour of the middle.
 *
 * @example colorOf(DIVERGING, 0) // a neutral, almost white grey
 */
export function colorOf(map: Colormap, value: number): Rgb {
  const last = map.table.length / 3 - 1;
  const position = (value - map.from) / (map.to - map.from);
  const index = Number.isNaN(position) ? last >> 1 : Math.round(Math.min(1, Math.max(0, position)) * last);
  return [map.table[3 * index]!, map.table[3 * index + 1]!, map.table[3 * index + 2]!];
}

/** A CSS `linear-gradient` of the map from left to right, for colour bars. */
export function cssGradient(map: Colormap, stops = 17): string {
  const colors = Array.from({ length: stops }, (_, i) =>
    colorOf(map, map.from + (i / (stops - 1)) * (map.to - map.from)),
  );
  return `linear-gradient(to right, ${colors.map((rgb) => `rgb(${rgb.join(' ')})`).join(', ')})`;
}
