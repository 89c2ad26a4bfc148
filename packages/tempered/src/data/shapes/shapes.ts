/**
 * @file `shapes`, the built-in data set: pictures of ten silhouettes, made from a seed and an index alone, with a
 * robust feature (the silhouette) and a non-robust one (a faint grating), so that it is known which is which.
 */

import { UsageError } from '../../errors.ts';
import { createRandom } from '../../random.ts';
import { type Dataset, fromArrays } from '../dataset.ts';
import { classPatterns } from './pattern.ts';
import { createCanvas, type Difficulty, drawPicture, SIZE } from './picture.ts';
import { SILHOUETTES } from './silhouettes.ts';

export interface ShapesOptions extends Partial<Difficulty> {
  /**
   * 'conflict' shows the pictures of 'test' with patterns that tell nothing about the class: they agree with the label
   * as often as chance would have it.
   */
  split: 'train' | 'test' | 'conflict';
  /** Default: 20,000 ('train') or 2,000. */
  count?: number;
  /** Default: 0. */
  seed?: number;
  /** Amplitude of the pattern, a whole number of levels of 255. Default: 4. */
  amplitude?: number;
  /** How often the pattern is the one of the picture's own class, in [0, 1]. Default: 0.9; 0.1 in 'conflict'. */
  agreement?: number;
}

/**
 * Defaults. With these a small network trained against attacks of 8/255 in the maximum norm learns the silhouettes,
 * while one trained without them leans on the pattern.
 */
const SHAPES_DIFFICULTY: Difficulty = {
  rotation: 1 / 12,
  area: [0.15, 0.45],
  contrast: 0.35,
  texture: 0.1,
  clutter: 4,
  noise: 4,
};

export const SHAPES_CLASSES: readonly string[] = SILHOUETTES.map(({ name }) => name);

/**
 * Makes the shapes data set: 32 × 32 RGB, ten classes in turn (image i shows class i mod 10), with object masks.
 * Image i depends on the seed, the split and i only, so a smaller `count` gives the first images of a larger one.
 *
 * @throws UsageError for a count, amplitude or agreement out of range.
 * @example
 * const train = shapes({ split: 'train' });
 * const { images, labels } = train.batch([0, 1, 2]);
 */
export function shapes(options: ShapesOptions): Dataset {
  const { split, seed = 0, amplitude = 4 } = options;
  const { count = split === 'train' ? 20_000 : 2_000, agreement = split === 'conflict' ? 0.1 : 0.9 } = options;
  const difficulty = difficultyOf(options);
  if (!Number.isInteger(count) || count < 0) throw new UsageError(`shapes: count must be a whole number, not ${count}`);
  if (!Number.isInteger(amplitude) || amplitude < 0 || amplitude > 127) {
    throw new UsageError(`shapes: amplitude must be a whole number of levels from 0 to 127, not ${amplitude}`);
  }
  if (!(agreement >= 0 && agreement <= 1))
    throw new UsageError(`shapes: agreement must lie in [0, 1], not ${agreement}`);

  const area = SIZE * SIZE;
  const pixels = new Uint8Array(count * 3 * area);
  const masks = new Uint8Array(count * area);
  const labels = new Int32Array(count);
  const patterns = classPatterns(SIZE);
  const canvas = createCanvas();
  const pictures = createRandom(seed, 'shapes', split === 'conflict' ? 'test' : split);
  const choices = createRandom(seed, 'shapes', split, 'pattern');

  for (let index = 0; index < count; index++) {
    const label = index % SILHOUETTES.length;
    labels[index] = label;
    drawPicture(canvas, label, pictures.split(index), difficulty);

    const choice = choices.split(index);
    const other = (label + 1 + choice.integer(patterns.length - 1)) % patterns.length;
    const pattern = patterns[choice.uniform() < agreement ? label : other]!;
    for (let channel = 0; channel < 3; channel++) {
      const source = canvas.pixels.subarray(channel * area, (channel + 1) * area);
      const offset = (index * 3 + channel) * area;
      for (let p = 0; p < area; p++) {
        // Kept away from the ends of the range, so that the pattern always shows in full.
        const level = Math.max(amplitude, Math.min(255 - amplitude, 255 * source[p]!));
        pixels[offset + p] = ((level + 0.5) | 0) + amplitude * pattern[p]!;
      }
    }
    for (let p = 0; p < area; p++) masks[index * area + p] = canvas.object[p]! >= 8 ? 1 : 0;
  }

  return fromArrays({
    name: 'shapes',
    split,
    classes: SHAPES_CLASSES,
    imageShape: [3, SIZE, SIZE],
    pixels,
    labels,
    masks,
    note: `pattern of amplitude ${amplitude}/255 that agrees with the label in ${Math.round(agreement * 100)}% of the images`,
  });
}

function difficultyOf(options: ShapesOptions): Difficulty {
  const { rotation, area, contrast, texture, clutter, noise } = { ...SHAPES_DIFFICULTY, ...options };
  const within = (name: string, value: number, low: number, high: number): void => {
    if (!(value >= low && value <= high)) {
      throw new UsageError(`shapes: ${name} must lie between ${low} and ${high}, not ${value}`);
    }
  };
  within('rotation', rotation, 0, 0.5);
  within('area', area[0], 0.02, area[1]);
  within('area', area[1], area[0], 0.6);
  // Colours that differ more than this are too rare to wait for.
  within('contrast', contrast, 0, 0.75);
  within('texture', texture, 0, 0.5);
  within('clutter', clutter, 0, 100);
  within('noise', noise, 0, 100);
  return { rotation, area, contrast, texture, clutter: Math.round(clutter), noise };
}
