/**
 * @file Whether maps lie on the object, where its true mask is known: of each pixel, the sum of |attribution| over its
 * channels. Equals count as in random order, so that a map of zeros, which tells nothing, scores what chance does.
 */
import { checkCount } from '../../attribution/check-count.ts';
import { UsageError } from '../../errors.ts';
import { rows } from '../../tensor.ts';
import { localization } from '../localization.ts';
import type { MeasureKind, MeasureTask } from './measure.ts';
import { pixelPlaces, pixelRelevance } from './ranking.ts';

export interface PointingGame {
  readonly name: 'pointing-game';
}

export interface RelevanceMass {
  readonly name: 'relevance-mass';
}

export interface RelevanceRank {
  readonly name: 'relevance-rank';
}

export interface LocalizationAuc {
  readonly name: 'localization-auc';
}

export interface TopKIntersection {
  readonly name: 'top-k-intersection';
  /** Undefined: a tenth of the pixels. */
  readonly k?: number;
}

/** Whether the pixel of largest magnitude lies on the object; of equals one at random. Zhang et al. 2018, without tolerance. */
export const pointingGame = (): PointingGame => ({ name: 'pointing-game' });

/** Share of the magnitude on the object; of a map of zeros, that of a map of any one value: the object's area. Arras et al. 2022. */
export const relevanceMass = (): RelevanceMass => ({ name: 'relevance-mass' });

/** Share of the K pixels of largest magnitude that lie on the object, where K is how many pixels it has. Arras et al. 2022. */
export const relevanceRank = (): RelevanceRank => ({ name: 'relevance-rank' });

/** How likely a pixel of the object has a larger magnitude than one beside it, ties counted half: the area under the ROC curve. */
export const localizationAuc = (): LocalizationAuc => ({ name: 'localization-auc' });

/** Share of the k pixels of largest magnitude that lie on the object. Theiner et al. 2022. */
export function topKIntersection({ k }: { k?: number } = {}): TopKIntersection {
  if (k !== undefined) checkCount('k', k);
  return { name: 'top-k-intersection', ...(k !== undefined && { k }) };
}

type Values = ArrayLike<number>;

/** Share of the k largest values that the mask covers; of equals at the border, what a random choice would take on average. */
export function shareOfLargest(values: Values, mask: Values, k: number): number {
  const border = Float64Array.from(values).sort()[values.length - k]!;
  let [above, aboveInside, equal, equalInside] = [0, 0, 0, 0];
  for (let p = 0; p < values.length; p++) {
    const inside = Number(mask[p]! > 0.5);
    if (values[p]! > border) {
      above++;
      aboveInside += inside;
    } else if (values[p] === border) {
      equal++;
      equalInside += inside;
    }
  }
  return (aboveInside + ((k - above) * equalInside) / equal) / k;
}

/** Area under the ROC curve of values against a mask: Mann and Whitney's statistic with average ranks. NaN unless both kinds are there. */
export function rocArea(values: Values, mask: Values): number {
  const order = Uint32Array.from({ length: values.length }, (_, p) => p).sort((a, b) => values[a]! - values[b]!);
  let [inside, ranks] = [0, 0];
  for (let start = 0; start < order.length; ) {
    let end = start;
    let covered = 0;
    for (; end < order.length && values[order[end]!] === values[order[start]!]; end++)
      covered += Number(mask[order[end]!]! > 0.5);
    inside += covered;
    ranks += (covered * (start + 1 + end)) / 2;
    start = end;
  }
  return (ranks - (inside * (inside + 1)) / 2) / (inside * (values.length - inside));
}

const perMap = async (task: MeasureTask, of: (magnitudes: Float32Array, mask: Float32Array) => number) => {
  const magnitudes = pixelRelevance(task.attributions, 'magnitude');
  return Float64Array.from({ length: magnitudes.shape[0]! }, (_, n) =>
    of(rows(magnitudes, n, n + 1).data, rows(task.masks!, n, n + 1).data),
  );
};

const common: Pick<MeasureKind<unknown>, 'better' | 'over' | 'needs' | 'control' | 'acrossModels'> = {
  better: () => 'higher',
  over: 'mean',
  needs: ['masks'],
  control: () => 'object',
  acrossModels: () => true,
};

export const pointingGameKind: MeasureKind<PointingGame> = {
  ...common,
  over: 'share',
  summary: 'how often the strongest pixel lies on the object',
  score: async (task) => {
    const { places } = pixelPlaces({ ...task, ranking: 'magnitude' });
    return Float64Array.from({ length: places.shape[0]! }, (_, n) => {
      const peak = rows(places, n, n + 1).data.indexOf(0);
      return Number(rows(task.masks!, n, n + 1).data[peak]! > 0.5);
    });
  },
  protocol: () =>
    'whether the pixel with the largest Σ |attribution| over channels, of equals one at random, lies on the true mask (Zhang et al. 2018, no tolerance)',
};

export const relevanceMassKind: MeasureKind<RelevanceMass> = {
  ...common,
  summary: 'share of the magnitude on the object',
  score: async ({ attributions, masks }) => {
    const { relevanceMass: shares, area } = localization(attributions, masks!);
    return shares.map((share, n) => (Number.isNaN(share) ? area[n]! : share));
  },
  protocol: () =>
    'share of Σ |attribution| inside the true mask, of a map of zeros the area of the mask (Arras et al. 2022)',
};

export const relevanceRankKind: MeasureKind<RelevanceRank> = {
  ...common,
  summary: 'share of the strongest pixels on the object, as many as it has',
  score: (task) =>
    perMap(task, (magnitudes, mask) => {
      const size = mask.filter((one) => one > 0.5).length;
      return size === 0 ? Number.NaN : shareOfLargest(magnitudes, mask, size);
    }),
  protocol: () =>
    'share inside the true mask of the K pixels with the largest Σ |attribution| over channels, K the size of the mask; ties by their mean (Arras et al. 2022)',
};

export const localizationAucKind: MeasureKind<LocalizationAuc> = {
  ...common,
  summary: 'how well magnitude tells pixels of the object from others (ROC)',
  score: (task) => perMap(task, rocArea),
  protocol: () =>
    'area under the ROC curve of Σ |attribution| over channels against the true mask, ties counted half; 0.5 by chance',
};

export const topKIntersectionKind: MeasureKind<TopKIntersection> = {
  ...common,
  summary: 'share of the k strongest pixels on the object',
  score: (task, { k }) =>
    perMap(task, (magnitudes, mask) => {
      const size = k ?? Math.max(1, Math.round(magnitudes.length / 10));
      if (size > magnitudes.length)
        throw new UsageError(`the maps have ${magnitudes.length} pixels: k cannot be ${size}`);
      return shareOfLargest(magnitudes, mask, size);
    }),
  protocol: ({ k }) =>
    `share inside the true mask of the ${k ?? 'tenth of the'} pixels with the largest Σ |attribution| over channels; ties by their mean`,
};
