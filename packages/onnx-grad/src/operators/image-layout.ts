import { sizeOf } from '../graph.ts';

/** Number of images, of channels, and of elements of a channel, of an array [N, C, ...]. */
export function imageLayout(shape: readonly number[]): { images: number; channels: number; area: number } {
  return { images: shape[0] ?? 1, channels: shape[1] ?? 1, area: sizeOf(shape.slice(2)) };
}
