/** @file Measures of the maps that a method makes of a model's images. */
import { type Attribution, attribute } from '../../attribution/attribute.ts';
import type { NamedMethod } from '../../attribution/catalogue.ts';
import type { Explained } from '../../attribution/explained.ts';
import type { Cost } from '../../attribution/explanation.ts';
import { type Dataset, subset } from '../../data/dataset.ts';
import { UsageError } from '../../errors.ts';
import { defaultBatchSize } from '../../models/batching.ts';
import type { Classifier } from '../../models/classifier.ts';
import type { Work } from '../../progress.ts';
import type { Tensor } from '../../tensor.ts';
import { type Block, inBlocks } from '../blocks.ts';
import { fitDataset } from '../fit.ts';
import { type Estimate, estimate } from './estimate.ts';
import type { MeasureTask } from './measure.ts';
import { kindOf, type NamedMeasure } from './measures.ts';

export interface ScoreOptions extends Work {
  dataset: Dataset;
  method: NamedMethod;
  measures: readonly NamedMeasure[];
  /** The class explained: the one predicted, or the label. Default: predicted. */
  target?: 'predicted' | 'label';
  /** What of it, but not the loss. Default: logit. */
  of?: Extract<Explained, string>;
  /** Default 0. */
  seed?: number;
  batchSize?: number;
}

export interface MeasureScore extends Estimate {
  /** The measure as it was asked for. */
  readonly measure: string;
  /** One an image; null where the measure is not defined. */
  readonly values: readonly (number | null)[];
}

export interface MethodScores {
  /** The method as it was asked for. */
  readonly method: string;
  readonly ranking: MeasureTask['ranking'];
  readonly scale: MeasureTask['scale'];
  /** Images. */
  readonly count: number;
  /** The classes explained. */
  readonly targets: readonly number[];
  /** Passes through the network for the maps themselves. */
  readonly cost: Cost;
  /** Of the maps themselves. */
  readonly seconds: number;
  /** Measures that do not apply to the method, such as the completeness of one that promises none, are left out. */
  readonly scores: readonly MeasureScore[];
}

/**
 * Explains the images of a data set by one method and measures the maps. Images are taken some at a time, so that memory
 * does not grow with their number.
 *
 * @throws UsageError when data set and model do not fit, a measure needs masks that the data set does not have, the
 *   method's maps are no pictures, or the loss is to be explained
 */
export async function scoreMethod(
  classifier: Classifier,
  { method, measures, target = 'predicted', of = 'logit', seed = 0, signal, onProgress, ...options }: ScoreOptions,
): Promise<MethodScores> {
  const dataset = fitDataset(classifier.description, options.dataset);
  checkMasks(dataset, measures);
  checkExplained(of);
  const { batchSize = defaultBatchSize(classifier.description) } = options;
  const parts: Part[] = [];
  for (const block of inBlocks(classifier, { dataset, batchSize })) {
    const { before, total, imageNumbers } = block;
    parts.push(
      await scoreBlock(classifier, {
        ...{ block, dataset, method, measures, target, of, seed, batchSize, signal },
        onProgress:
          onProgress &&
          ((progress) =>
            onProgress({
              ...progress,
              stage: `${method.text}: ${progress.stage}`,
              done: before + Math.floor((imageNumbers.length * progress.done) / progress.total),
              total,
            })),
      }),
    );
  }
  const sum = (of: (part: Part) => number) => parts.reduce((total, part) => total + of(part), 0);
  return {
    method: method.text,
    ranking: method.ranking,
    scale: method.scale,
    count: dataset.count,
    targets: parts.flatMap(({ targets }) => [...targets]),
    cost: { forwards: sum(({ cost }) => cost.forwards), backwards: sum(({ cost }) => cost.backwards) },
    seconds: sum(({ seconds }) => seconds),
    scores: measures.flatMap(({ text, measure }) => {
      const values = parts.flatMap(({ values }) => [...(values[text] ?? [])]);
      if (values.length < dataset.count) return [];
      const known = values.map((value) => (Number.isFinite(value) ? value : null));
      const numbers = Float64Array.from(known, (value) => value ?? Number.NaN);
      return [{ measure: text, ...estimate(numbers, kindOf(measure).over, seed), values: known }];
    }),
  };
}

/**
 * Explains a single image by each method, so that what a method refuses is known before the work begins.
 *
 * @throws UsageError what a method refuses, or that its maps are no pictures
 */
export async function tryMethods(
  classifier: Classifier,
  { dataset, methods, ...options }: Omit<ScoreOptions, 'method' | 'measures'> & { methods: readonly NamedMethod[] },
): Promise<void> {
  const first = subset(dataset, [0]);
  for (const method of methods) await scoreMethod(classifier, { ...options, dataset: first, method, measures: [] });
}

/** Throws a UsageError when a measure needs masks that the data set does not have. */
export function checkMasks(dataset: Dataset, measures: readonly NamedMeasure[]): void {
  const needing = measures.find(({ measure }) => kindOf(measure).needs.includes('masks'));
  if (needing && !dataset.masks)
    throw new UsageError(
      `the measure '${needing.text}' needs to know where the object is, which ${dataset.name} does not tell: leave it out, or take shapes`,
    );
}

/** Throws a UsageError for what falls as the class gains: every measure asks which pixels speak for the class. */
export function checkExplained(of: Extract<Explained, string>): void {
  if (of === 'loss')
    throw new UsageError(
      'measures ask which pixels speak for the class, and the loss falls where they do: explain the log-probability, which is the loss with its sign turned',
    );
}

interface Part extends Pick<Attribution, 'targets' | 'cost'> {
  readonly seconds: number;
  readonly values: Readonly<Record<string, Float64Array>>;
}

interface BlockOptions extends Required<Omit<ScoreOptions, keyof Work>>, Work {
  block: Block;
}

async function scoreBlock(
  classifier: Classifier,
  { block, dataset, method, measures, target, of, seed, batchSize, signal, onProgress }: BlockOptions,
): Promise<Part> {
  const { images, imageNumbers } = block;
  const common = { method: method.method, of, seed, imageNumbers, batchSize, signal };
  const started = performance.now();
  const explanation = await attribute(classifier, {
    ...common,
    images,
    onProgress,
    ...(target === 'label' && { target: block.labels }),
  });
  const seconds = (performance.now() - started) / 1000;
  const { targets, cost, certificate, featureSizes } = explanation;
  const completeness = certificate?.completeness;
  const attributions = pictures(explanation.attributions, images, method);
  const values: Record<string, Float64Array> = {};
  for (const { text, measure } of measures) {
    const { needs, score } = kindOf(measure);
    if (needs.includes('completeness') && !completeness) continue;
    signal?.throwIfAborted();
    values[text] = await score(
      {
        ...{ classifier, images, targets, completeness, seed, imageNumbers, batchSize, signal, onProgress },
        ...{ ranking: method.ranking, scale: method.scale, featureSizes },
        attributions,
        masks: needs.includes('masks') ? dataset.masks!(imageNumbers) : undefined,
        explain: async (others, on = classifier) => {
          const again = await attribute(on, { ...common, images: others, target: targets });
          return pictures(again.attributions, images, method);
        },
      },
      measure,
    );
  }
  return { targets, cost, seconds, values };
}

/** Maps with one value a pixel, or one a channel. */
function pictures(maps: Tensor, { shape }: Tensor, { text }: NamedMethod): Tensor {
  const [, channels, ...size] = maps.shape;
  if (shape.length === 4 && size.join() === shape.slice(2).join() && (channels === 1 || channels === shape[1]))
    return maps;
  throw new UsageError(
    `the maps of '${text}' have shape [N, ${maps.shape.slice(1).join(', ')}]: measures take maps with a value for each pixel of images [N, ${shape.slice(1).join(', ')}]`,
  );
}
