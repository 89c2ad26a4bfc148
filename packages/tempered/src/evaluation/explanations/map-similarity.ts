/** @file How alike two attributions of the same image are: by the order of their pixels and by their structure. */
import { UsageError } from '../../errors.ts';
import { kendallTau, spearman, topIntersection } from '../../rank-correlation.ts';
import { sizeOf, type Tensor } from '../../tensor.ts';
import { type MeanOverImages, meanOverImages } from '../map-stability.ts';
import { ssim } from './ssim.ts';

/** The ways in which maps are compared. */
export type Similarity = 'kendallTau' | 'spearman' | 'spearmanAbsolute' | 'topIntersection' | 'ssim';

/** The same as users write them. */
export const SIMILARITIES = ['kendall-tau', 'spearman', 'spearman-absolute', 'top-intersection', 'ssim'] as const;

export type SimilarityName = (typeof SIMILARITIES)[number];

/** In words, for protocols. */
const WORDS: Readonly<Record<SimilarityName, string>> = {
  'kendall-tau': 'Kendall’s τ-b of the sums over channels',
  spearman: 'Spearman’s ρ of the sums over channels',
  'spearman-absolute': 'Spearman’s ρ of Σ |attribution| over channels',
  'top-intersection': 'share of common pixels among the tenth with the largest Σ |attribution|',
  ssim: 'SSIM of Σ |attribution| over its largest (Wang et al. 2004)',
};

export const similarityInWords = (name: SimilarityName): string => WORDS[name];

type Compare = (a: Pixels, b: Pixels, k?: number) => number;

/** Each way for one image. */
const ways: Readonly<Record<Similarity, Compare>> = {
  kendallTau: (a, b) => kendallTau(a.values, b.values),
  spearman: (a, b) => spearman(a.values, b.values),
  spearmanAbsolute: (a, b) => spearman(a.magnitudes, b.magnitudes),
  topIntersection: (a, b, k = Math.max(1, Math.round(a.values.length / 10))) =>
    hasOrder(a) && hasOrder(b) ? topIntersection(a.magnitudes, b.magnitudes, k) : Number.NaN,
  ssim: (a, b) => ssim(normalised(a), normalised(b), 1),
};

const written: Readonly<Record<SimilarityName, Similarity>> = {
  'kendall-tau': 'kendallTau',
  spearman: 'spearman',
  'spearman-absolute': 'spearmanAbsolute',
  'top-intersection': 'topIntersection',
  ssim: 'ssim',
};

/** One of the ways of `mapSimilarity`, by its written name; [N]. */
export function similarityBy(name: SimilarityName, before: Tensor, after: Tensor): Float64Array {
  checkAlike(before, after);
  const compare = ways[written[name]];
  return Float64Array.from({ length: before.shape[0] ?? 0 }, (_, i) =>
    compare(pixelsOf(before, i), pixelsOf(after, i)),
  );
}

/** One entry an image; NaN where a map of one value everywhere has no order. */
export type MapSimilarity = Readonly<Record<Similarity, Float64Array>>;

/** Means over the images that have a number; null where none has. */
export type MeanSimilarity = Readonly<Record<Similarity, MeanOverImages | null>>;

export interface MapSimilarityOptions {
  /** Largest magnitudes whose positions are compared. Default: a tenth of the pixels. */
  k?: number;
}

/**
 * Compares attributions image by image, pixel by pixel: a pixel's value is the sum over its channels, its magnitude the
 * sum of their absolute values.
 *
 * - `kendallTau` (τ-b) and `spearman` (ρ with average ranks): of the values, so that the sign counts;
 * - `spearmanAbsolute`: ρ of the magnitudes (Adebayo et al. 2018, "ABS");
 * - `topIntersection`: share of the k largest magnitudes that lie at the same pixels (Ghorbani et al. 2019);
 * - `ssim` (Wang et al. 2004): of the magnitudes, each map divided by its largest, so that their range is [0, 1].
 *
 * @param before [N, C, H, W], or other ranks, whose entries then are pixels in one row
 * @param after of the same shape
 * @throws UsageError for shapes that differ
 * @example
 * const { spearman } = mapSimilarity(clean.attributions, attacked.attributions);
 */
export function mapSimilarity(before: Tensor, after: Tensor, { k }: MapSimilarityOptions = {}): MapSimilarity {
  checkAlike(before, after);
  const count = before.shape[0] ?? 0;
  const result = {
    kendallTau: new Float64Array(count),
    spearman: new Float64Array(count),
    spearmanAbsolute: new Float64Array(count),
    topIntersection: new Float64Array(count),
    ssim: new Float64Array(count),
  };
  for (let i = 0; i < count; i++) {
    const [a, b] = [pixelsOf(before, i), pixelsOf(after, i)];
    for (const [name, compare] of Object.entries(ways) as [Similarity, Compare][]) result[name][i] = compare(a, b, k);
  }
  return result;
}

function checkAlike(before: Tensor, after: Tensor): void {
  if (before.shape.join() !== after.shape.join())
    throw new UsageError(
      `attributions of shape [${before.shape.join(', ')}] cannot be compared with those of shape [${after.shape.join(', ')}]`,
    );
}

/** Means of some of the images, with the intervals of the normal approximation. */
export function meanSimilarity(
  similarity: MapSimilarity,
  chosen: ArrayLike<number> = [...similarity.ssim.keys()],
): MeanSimilarity {
  const mean = (name: Similarity) => meanOverImages(Array.from(chosen, (i) => similarity[name][i]!));
  return {
    kendallTau: mean('kendallTau'),
    spearman: mean('spearman'),
    spearmanAbsolute: mean('spearmanAbsolute'),
    topIntersection: mean('topIntersection'),
    ssim: mean('ssim'),
  };
}

/** A map of one value everywhere has none. */
const hasOrder = ({ magnitudes }: Pixels): boolean => magnitudes.some((value) => value !== magnitudes[0]);

interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly values: Float64Array;
  readonly magnitudes: Float64Array;
}

function pixelsOf({ shape, data }: Tensor, index: number): Pixels {
  const rest = shape.slice(1);
  const [channels, height, width] = rest.length === 3 ? (rest as [number, number, number]) : [1, 1, sizeOf(rest)];
  const area = height * width;
  const values = new Float64Array(area);
  const magnitudes = new Float64Array(area);
  for (let channel = 0; channel < channels; channel++) {
    const start = (index * channels + channel) * area;
    for (let p = 0; p < area; p++) {
      values[p]! += data[start + p]!;
      magnitudes[p]! += Math.abs(data[start + p]!);
    }
  }
  return { width, height, values, magnitudes };
}

function normalised({ width, height, magnitudes }: Pixels) {
  const largest = magnitudes.reduce((a, b) => Math.max(a, b), 0);
  return { width, height, values: largest > 0 ? magnitudes.map((value) => value / largest) : magnitudes };
}
