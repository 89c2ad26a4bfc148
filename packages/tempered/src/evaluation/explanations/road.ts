/** @file ROAD: remove and debias. What the model says when pixels are imputed from their neighbours. */
import { UsageError } from '../../errors.ts';
import { argmaxRows, predictLogits, softmaxRows } from '../../models/predict.ts';
import { createRandom } from '../../random.ts';
import { rows, type Tensor, zeros } from '../../tensor.ts';
import { type Imputer, linearImputer } from './impute.ts';
import type { MeasureKind, MeasureTask } from './measure.ts';
import type { Order } from './pixel-flipping.ts';
import { pixelPlaces } from './ranking.ts';

export interface Road {
  readonly name: 'road';
  readonly order: Order;
  readonly shares: readonly number[];
  readonly noise: number;
  readonly of: 'accuracy' | 'probability';
}

export interface RoadOptions {
  /**
   * Default `difference`: `lerf` − `morf`, so that higher is better. Either alone depends on how well a map's pixels can be
   * imputed: scattered ones can, whole regions cannot, and on `shapes` the control finds both unfit.
   */
  order?: Order;
  /** Shares of the pixels that are removed. Default: 10, 20, 30, 40, 50, 70 and 90%, as in the paper. */
  shares?: readonly number[];
  /** Standard deviation of the noise on imputed pixels. Default 0.01, as in its code. */
  noise?: number;
  /** Whether the class is still predicted, as in the paper, or its probability. Default: accuracy. */
  of?: 'accuracy' | 'probability';
}

/**
 * Mean over shares of removed pixels of whether the class is still predicted. Rong et al. 2022: removed pixels become the
 * weighted mean of their neighbours plus noise, so that the mask itself tells the model nothing. Low for `morf`, high for
 * `lerf`. Imputed pixels are kept in [0, 1].
 */
export function road({
  order = 'difference',
  shares = [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9],
  noise = 0.01,
  of = 'accuracy',
}: RoadOptions = {}): Road {
  if (shares.length === 0 || !shares.every((share) => share > 0 && share < 1))
    throw new UsageError(`the shares of removed pixels must lie between 0 and 1, not ${shares.join(', ')}`);
  if (!(noise >= 0)) throw new UsageError(`the noise must be 0 or more, not ${noise}`);
  return { name: 'road', order, shares, noise, of };
}

async function standing(task: MeasureTask, measure: Road): Promise<Float64Array> {
  if (measure.order === 'difference') {
    const most = await standing(task, { ...measure, order: 'morf' });
    const least = await standing(task, { ...measure, order: 'lerf' });
    return least.map((value, i) => value - most[i]!);
  }
  const { images, batchSize, signal, onProgress } = task;
  const { shares, of, order } = measure;
  const { places, count } = pixelPlaces(task);
  const total = images.shape[0]!;
  const result = new Float64Array(total);
  // Only the imputed copies of a few images are in memory at a time.
  const group = Math.max(1, Math.floor(batchSize / shares.length));
  const copies = Math.min(batchSize, Math.min(group, total) * shares.length);
  const imputer = await linearImputer(task.classifier.runtime, images.shape.slice(1), copies);
  try {
    for (let start = 0; start < total; start += group) {
      signal?.throwIfAborted();
      const end = Math.min(start + group, total);
      const imputed = await impute(task, measure, { start, end, places, count, imputer });
      const logits = await predictLogits(task.classifier, imputed, { batchSize, signal });
      const values = of === 'accuracy' ? argmaxRows(logits) : softmaxRows(logits).data;
      const classes = logits.shape[1]!;
      for (let row = 0; row < imputed.shape[0]!; row++) {
        const image = start + Math.floor(row / shares.length);
        const target = task.targets[image]!;
        const value = of === 'accuracy' ? Number(values[row] === target) : values[row * classes + target]!;
        result[image]! += value;
      }
      onProgress?.({ stage: `road, ${order}`, done: end, total });
    }
  } finally {
    imputer.release();
  }
  return result.map((sum) => sum / shares.length);
}

/** Copies of the images, one for each share, with that share of their pixels imputed. */
async function impute(
  { images, seed, imageNumbers, signal }: MeasureTask,
  { shares, noise, order }: Road,
  {
    start,
    end,
    places,
    count,
    imputer,
  }: { start: number; end: number; places: Tensor; count: number; imputer: Imputer },
): Promise<Tensor> {
  const [, channels = 1, height = 1, width = 1] = images.shape;
  const [area, copies] = [height * width, (end - start) * shares.length];
  const pictures = zeros([copies, channels, height, width]);
  const removed = zeros([copies, 1, height, width]);
  const imageOf = (copy: number) => start + Math.floor(copy / shares.length);
  for (let copy = 0; copy < copies; copy++) {
    const limit = Math.min(count - 1, Math.round(shares[copy % shares.length]! * count));
    pictures.data.set(rows(images, imageOf(copy), imageOf(copy) + 1).data, copy * channels * area);
    const ranks = rows(places, imageOf(copy), imageOf(copy) + 1).data;
    for (let p = 0; p < area; p++)
      removed.data[copy * area + p] = Number((order === 'morf' ? ranks[p]! : count - 1 - ranks[p]!) < limit);
  }
  const imputed = await imputer.impute(pictures, removed, signal);
  for (let copy = 0; copy < copies; copy++) {
    const random = createRandom(seed, 'road', imageNumbers[imageOf(copy)]!, copy % shares.length);
    for (let i = copy * channels * area; i < (copy + 1) * channels * area; i++) {
      const p = i % area;
      if (removed.data[copy * area + p] === 0) continue;
      imputed.data[i] = Math.min(1, Math.max(0, imputed.data[i]! + noise * random.normal()));
    }
  }
  return imputed;
}

const ORDER_IN_WORDS: Readonly<Record<Order, string>> = {
  morf: 'the most relevant',
  lerf: 'the least relevant',
  difference: 'the least relevant, less the same for the most relevant',
};

export const roadKind: MeasureKind<Road> = {
  summary: 'whether the class is still predicted when pixels are imputed from their neighbours',
  score: standing,
  better: ({ order }) => (order === 'morf' ? 'lower' : 'higher'),
  over: 'mean',
  needs: [],
  acrossModels: () => false,
  control: () => 'object',
  protocol: ({ order, shares, noise, of }) =>
    `${of === 'accuracy' ? 'share of the removals after which the class is still predicted' : 'mean probability of the class'}, ${shares.map((share) => `${Math.round(100 * share)}%`).join(', ')} of the pixels removed, ${ORDER_IN_WORDS[order]}; noisy linear imputation with noise ${noise} (Rong et al. 2022), not retrained`,
};
