/** @file The steps of JPEG compression around the rounding, as graphs: colours, subsampling, block transforms, tables. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { cosTurns } from '../../portable-math.ts';

/** ITU-T T.81 (1992), Annex K, table K.1: luminance; rows are vertical frequencies. */
export const LUMINANCE = [
  16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
  87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
  72, 92, 95, 98, 112, 100, 103, 99,
];

/** Table K.2: chrominance. */
export const CHROMINANCE = [
  17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99,
  99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
  99, 99, 99, 99, 99, 99,
];

/** RGB → YCbCr without the offset of the colour differences, and back: ITU-T T.871 (JFIF), §7. */
const TO_YCBCR = [
  0.299,
  0.587,
  0.114,
  -0.299 / 1.772,
  -0.587 / 1.772,
  0.886 / 1.772,
  0.701 / 1.402,
  -0.587 / 1.402,
  -0.114 / 1.402,
];
const TO_RGB = [1, 0, 1.402, 1, (-0.114 * 1.772) / 0.587, (-0.299 * 1.402) / 0.587, 1, 1.772, 0];

/** Quantised coefficients, not rounded: of Y, [N, 1, H, W], and of Cb and Cr, [N, 2, H/2, W/2]; grey images have Y only. */
export interface Coefficients {
  readonly luminance: Value;
  readonly chrominance?: Value;
}

/** Pixels along the side of the smallest unit that is coded: a block, or 2 × 2 blocks where colour is subsampled. */
export const unitOf = (channels: number): number => (channels === 1 ? 8 : 16);

/** Images [N, 1 or 3, H, W] in [0, 1], whose sides are whole units, to coefficients divided by the tables. */
export function encode(g: GraphBuilder, x: Value): Coefficients {
  const pixels = g.scale(x, 255);
  const centre = (luminance: Value) => g.offset(luminance, -128);
  if (x.shape[1] === 1) return { luminance: quantised(g, transformed(g, centre(pixels), DCT), LUMINANCE) };
  const colours = mixChannels(g, pixels, TO_YCBCR);
  const [y, differences] = g.split(colours, [1, 2], 1) as [Value, Value];
  return {
    luminance: quantised(g, transformed(g, centre(y), DCT), LUMINANCE),
    chrominance: quantised(g, transformed(g, differences, SUBSAMPLED_DCT), CHROMINANCE),
  };
}

/** The way back; values may leave [0, 1]. */
export function decode(g: GraphBuilder, { luminance, chrominance }: Coefficients): Value {
  const y = g.offset(transformed(g, dequantised(g, luminance, LUMINANCE), transposed(DCT)), 128);
  if (chrominance === undefined) return g.scale(y, 1 / 255);
  const differences = transformed(g, dequantised(g, chrominance, CHROMINANCE), UPSAMPLED_INVERSE);
  return g.scale(mixChannels(g, g.concat([y, differences], 1), TO_RGB), 1 / 255);
}

/** Rows of equal length. */
type Matrix = readonly (readonly number[])[];

const transposed = (matrix: Matrix): Matrix => matrix[0]!.map((_, column) => matrix.map((row) => row[column]!));
const product = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => transposed(b).map((column) => row.reduce((sum, value, i) => sum + value * column[i]!, 0)));
const matrixOf = (rows: number, columns: number, at: (row: number, column: number) => number): Matrix =>
  Array.from({ length: rows }, (_, row) => Array.from({ length: columns }, (_, column) => at(row, column)));

/** The orthonormal cosine transform of 8 samples, which is JPEG's in each direction (T.81, A.3.3). */
const DCT = matrixOf(
  8,
  8,
  (frequency, i) => (frequency === 0 ? Math.sqrt(1 / 8) : 1 / 2) * cosTurns(((2 * i + 1) * frequency) / 32),
);
/** Means of two neighbours, then the transform; and back, each sample twice: 4:2:0 is this in both directions. */
const SUBSAMPLED_DCT = product(
  DCT,
  matrixOf(8, 16, (i, pixel) => (Math.floor(pixel / 2) === i ? 1 / 2 : 0)),
);
const UPSAMPLED_INVERSE = product(
  matrixOf(16, 8, (pixel, i) => (Math.floor(pixel / 2) === i ? 1 : 0)),
  transposed(DCT),
);

/** matrix · block · matrixᵀ for each square block of the planes of [N, C, H, W]. */
function transformed(g: GraphBuilder, x: Value, matrix: Matrix): Value {
  const [to, from] = [matrix.length, matrix[0]!.length];
  const [count = 0, channels = 0, height = 0, width = 0] = x.shape;
  const factor = g.constant(matrix.flat(), [to, from]);
  const [down, across] = [height / from, width / from];
  const strips = g.reshape(x, [count * channels * down, from, width]);
  const columns = g.reshape(g.matmul(factor, strips), [count * channels * down * to * across, from]);
  return g.reshape(g.matmul(columns, g.matrixTranspose(factor)), [count, channels, down * to, across * to]);
}

const quantised = (g: GraphBuilder, x: Value, table: readonly number[]): Value =>
  times(
    g,
    x,
    table.map((step) => 1 / step),
  );
const dequantised = times;

/** Each block of the planes of [N, C, H, W] times a table of 8 × 8 numbers. */
function times(g: GraphBuilder, x: Value, table: readonly number[]): Value {
  const [count = 0, channels = 0, height = 0, width = 0] = x.shape;
  const blocks = g.reshape(x, [count * channels, height / 8, 8, width / 8, 8]);
  return g.reshape(g.mul(blocks, g.constant(table, [1, 1, 8, 1, 8])), x.shape);
}

const mixChannels = (g: GraphBuilder, x: Value, matrix: readonly number[]): Value =>
  g.op('Conv', [x, g.constant(matrix, [3, 3, 1, 1])], { kernel_shape: [1, 1] });
