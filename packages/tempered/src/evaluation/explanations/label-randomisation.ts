/** @file Whether a method's maps depend on what labels mean: one network learns the labels, another one the same labels in random order. */
import { type AttributionMethod, attribute } from '../../attribution/attribute.ts';
import type { Dataset } from '../../data/dataset.ts';
import { first } from '../../data/dataset.ts';
import { UsageError } from '../../errors.ts';
import { Classifier, type ModelDescription } from '../../models/classifier.ts';
import type { Work } from '../../progress.ts';
import { createRandom } from '../../random.ts';
import type { Tensor } from '../../tensor.ts';
import type { CheckpointStore } from '../../training/checkpoint.ts';
import type { TrainOptions } from '../../training/options.ts';
import { train } from '../../training/train.ts';
import { allOf, naturalAccuracy, type Proportion } from '../accuracy.ts';
import { fitDataset } from '../fit.ts';
import { type MapSimilarityOptions, type MeanSimilarity, mapSimilarity, meanSimilarity } from './map-similarity.ts';

export interface LabelRandomisationOptions extends Work, MapSimilarityOptions {
  /** How both networks are trained, with the same first weights, order of images and random numbers. */
  training: Omit<TrainOptions, 'checkpoints' | 'validation' | 'selection' | keyof Work>;
  /** Where each of the two trainings keeps its state. */
  checkpoints?: (labels: 'true' | 'permuted') => CheckpointStore;
  /** On which accuracies are measured. */
  test: Dataset;
  /** First images of the test set whose maps are compared. Default 100. */
  count?: number;
  methods: Readonly<Record<string, AttributionMethod>>;
  /** Of the permutation, and of methods that are random. Default 0. */
  seed?: number;
}

export interface LearnedLabels {
  readonly model: ModelDescription;
  /** On the labels that it was trained on: the test means little for a network that has not learned them. */
  readonly trainingAccuracy: Proportion;
  /** On the true labels of the test set: about chance after random ones. */
  readonly testAccuracy: Proportion;
}

export interface LabelRandomisation {
  readonly trueLabels: LearnedLabels;
  readonly permutedLabels: LearnedLabels;
  /** Images whose maps were compared. */
  readonly count: number;
  /** By method, of the two networks' maps of each image's true class. */
  readonly similarity: Readonly<Record<string, MeanSimilarity>>;
}

/**
 * The data randomisation test of Adebayo et al. 2018 (§4): a network that has learned random labels by heart has learned
 * nothing about classes, so a method that explains classes must give it other maps than a network that knows them.
 *
 * @throws UsageError when the data sets do not fit the model
 * @example
 * const { similarity } = await labelRandomisation({
 *   training: { runtime, model, dataset: first(train, 1000), epochs: 50 },
 *   test,
 *   methods: { gradient: plainGradient() },
 * });
 */
export async function labelRandomisation(options: LabelRandomisationOptions): Promise<LabelRandomisation> {
  const { training, checkpoints, methods, count = 100, k, seed = 0, signal, onProgress } = options;
  if (Object.keys(methods).length === 0) throw new UsageError('the label randomisation test needs a method');
  const { runtime } = training;
  const test = fitDataset(training.model, options.test);
  const permuted = withPermutedLabels(training.dataset, seed);
  const classifiers: Classifier[] = [];
  const learn = async (labels: 'true' | 'permuted', dataset: Dataset): Promise<LearnedLabels> => {
    const work = {
      signal,
      onProgress:
        onProgress &&
        ((progress: Parameters<typeof onProgress>[0]) =>
          onProgress({ ...progress, stage: `${labels} labels: ${progress.stage}` })),
    };
    const { last: model } = await train({ ...training, dataset, ...work, checkpoints: checkpoints?.(labels) });
    const classifier = new Classifier(model, runtime);
    classifiers.push(classifier);
    return {
      model,
      trainingAccuracy: await naturalAccuracy(classifier, dataset, work),
      testAccuracy: await naturalAccuracy(classifier, test, work),
    };
  };
  try {
    const trueLabels = await learn('true', training.dataset);
    const permutedLabels = await learn('permuted', permuted);
    const { images, labels } = allOf(first(test, Math.min(count, test.count)));
    const similarity: Record<string, MeanSimilarity> = {};
    for (const [name, method] of Object.entries(methods)) {
      const maps: Tensor[] = [];
      for (const classifier of classifiers) {
        const task = { images, method, target: labels, seed, signal, onProgress };
        maps.push((await attribute(classifier, task)).attributions);
      }
      similarity[name] = meanSimilarity(mapSimilarity(maps[0]!, maps[1]!, { k }));
    }
    return { trueLabels, permutedLabels, count: labels.length, similarity };
  } finally {
    for (const classifier of classifiers) await classifier.release();
  }
}

/** Labels read at a time, so that a large set is never all floats at once. */
const BLOCK = 256;

/** The same images and the same number of each label, in random order. */
export function withPermutedLabels(dataset: Dataset, seed: number): Dataset {
  const { count } = dataset;
  const labels = new Int32Array(count);
  for (let start = 0; start < count; start += BLOCK) {
    const block = Uint32Array.from({ length: Math.min(BLOCK, count - start) }, (_, i) => start + i);
    labels.set(dataset.batch(block).labels, start);
  }
  const order = createRandom(seed, 'permuted labels').shuffle(count);
  return {
    ...dataset,
    note: [dataset.note, 'labels in random order'].filter(Boolean).join('; '),
    batch: (indices) => ({
      images: dataset.batch(indices).images,
      labels: Int32Array.from(indices, (index) => labels[order[index]!]!),
    }),
  };
}
