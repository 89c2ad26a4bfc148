/**
 * @file The known non-robust feature of the shapes data set: one grating a class, of ±1 and near the highest frequency
 * that pixels can carry. The ten are orthogonal, have mean zero, and differ in frequency, not only in position, so
 * that a convolutional network with pooling can tell them apart as easily as a linear one.
 */

// Four functions of one coordinate, period 8, mutually orthogonal; in cycles a pixel:
const FLAT = [1, 1, 1, 1, 1, 1, 1, 1]; // 0
const QUARTER = [1, 1, -1, -1, 1, 1, -1, -1]; // 1/4
const THREE_EIGHTHS = [1, -1, 1, 1, -1, 1, -1, -1]; // 3/8
const HALF = [1, -1, 1, -1, 1, -1, 1, -1]; // 1/2

/** Per class, the functions of x and y whose product is the pattern. */
const GRATINGS: readonly (readonly [x: readonly number[], y: readonly number[]])[] = [
  [HALF, HALF],
  [HALF, FLAT],
  [FLAT, HALF],
  [HALF, THREE_EIGHTHS],
  [THREE_EIGHTHS, HALF],
  [THREE_EIGHTHS, THREE_EIGHTHS],
  [THREE_EIGHTHS, FLAT],
  [FLAT, THREE_EIGHTHS],
  [HALF, QUARTER],
  [QUARTER, HALF],
];

/** The patterns, one a class: [`size`, `size`] of ±1, the same in every colour channel. `size` is a multiple of 8. */
export function classPatterns(size: number): readonly Int8Array[] {
  return GRATINGS.map(([alongX, alongY]) =>
    Int8Array.from({ length: size * size }, (_, p) => alongX[(p % size) % 8]! * alongY[Math.floor(p / size) % 8]!),
  );
}
