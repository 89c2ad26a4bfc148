/** @file Accuracy against ε, drawn on until nothing is left to break. */
import type { Norm } from '../optimize/ball.ts';
import { sizeOf } from '../tensor.ts';
import type { LedgerAtEpsilon } from './ledger.ts';

/** The largest distance between two images of [0, 1]: an ε at which a classifier cannot be better than chance. */
export function diameter(norm: Norm, imageShape: readonly number[]): number {
  const pixels = sizeOf(imageShape);
  return { linf: 1, l2: Math.sqrt(pixels), l1: pixels }[norm];
}

/** The first step of the ladder under each norm, in pixel units. */
const FIRST: Readonly<Record<Norm, number>> = { linf: 1 / 255, l2: 1 / 16, l1: 1 / 2 };

/** Radii to measure at when nobody names any: 0, then doubling from one that hardly shows up to the diameter of the box. */
export function radiusLadder(norm: Norm, imageShape: readonly number[]): number[] {
  const largest = diameter(norm, imageShape);
  const radii = [0];
  for (let radius = FIRST[norm]; radius < largest; radius *= 2) radii.push(radius);
  return [...radii, largest];
}

/** Whether a larger ε can teach nothing more: no image is right, or no more than guessing would get right. */
export function isExhausted({ rank }: LedgerAtEpsilon, classes: number): boolean {
  const correct = rank.filter((above) => above === 0).length;
  return correct === 0 || correct / rank.length <= 1 / classes;
}
