/** @file What a training takes and gives. */
import type { Attack } from '../attacks/attack.ts';
import { type Augmentation, checkAugmentation } from '../data/augment.ts';
import type { Dataset } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import { checkBatchSize } from '../models/batching.ts';
import type { ModelDescription } from '../models/classifier.ts';
import type { Work } from '../progress.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { CheckpointStore, EpochRecord } from './checkpoint.ts';
import { checkClipping, type GradientClipping } from './clipping.ts';
import type { Finding } from './detection.ts';
import { checkLabelSmoothing } from './label-smoothing.ts';
import { checkMethod, standard, type TrainingMethod } from './method.ts';
import type { Optimizer } from './optimizer.ts';
import { checkSchedule, type Schedule } from './schedule.ts';
import type { Selection } from './selection.ts';
import { checkWeightAveraging, type WeightAveraging } from './weight-averaging.ts';

export interface TrainOptions extends Work {
  runtime: Runtime;
  /** Its weights are where the training starts. */
  model: ModelDescription;
  dataset: Dataset;
  /** Default: standard training. */
  method?: TrainingMethod;
  /** Default: SGD with momentum 0.9. */
  optimizer?: Optimizer;
  /** Default 0.05. */
  learningRate?: number;
  /** Default: cosine. */
  schedule?: Schedule;
  epochs: number;
  /** Default 100; a last batch that is not full is left out. */
  batchSize?: number;
  /** Default true: in another order in every epoch. Otherwise in file order, the same in all, as in Kim et al. 2019. */
  shuffle?: boolean;
  /** Order of the images, augmentation and random starts. Default 0. */
  seed?: number;
  augmentation?: Augmentation;
  /** Of the gradients. Default: none. */
  clipping?: GradientClipping;
  /** Share of the certainty that the loss asks for which goes to all classes alike. Default: 0. */
  labelSmoothing?: number;
  /** With it, the averages are what is validated and returned; the weights themselves are trained on. Default: none. */
  averaging?: WeightAveraging;
  /** Measured after every epoch; the best epoch's weights are returned. Without it, the last epoch's. */
  validation?: Validation;
  /** Which epoch is the best. Default: `'mean'` for methods that attack, where the validation does; else `'natural'`. */
  selection?: Selection;
  /** Where the state is kept between epochs; with one, a stopped training goes on where it was. */
  checkpoints?: CheckpointStore;
  /** Called after every epoch, before its checkpoint is stored: a training stopped between the two calls it again. */
  onEpoch?: (record: EpochRecord) => void | Promise<void>;
  /** Called when something is seen to go wrong; all of it is in the result too. */
  onFinding?: (finding: Finding) => void;
}

export interface Validation {
  dataset: Dataset;
  /** Measures robust accuracy, at `epsilon`. */
  attack?: Attack;
  epsilon?: number;
}

export interface TrainResult {
  /** The best epoch's model. */
  readonly model: ModelDescription;
  readonly bestEpoch: number;
  /** The last epoch's model. */
  readonly last: ModelDescription;
  readonly history: readonly EpochRecord[];
  /** What went wrong, if anything did. */
  readonly findings: readonly Finding[];
}

/** Throws a UsageError for options that `train` refuses, before any work. */
export function checkTrainOptions(options: TrainOptions): void {
  const { model, dataset, epochs, batchSize = 100, learningRate = 0.05, method } = options;
  const fits = model.inputShape.every((length, i) => length === dataset.imageShape[i]);
  if (!fits || model.classes.length !== dataset.classes.length) {
    throw new UsageError(
      `'${model.name}' takes ${model.inputShape.join('x')} images of ${model.classes.length} classes, but ${dataset.name} has ${dataset.imageShape.join('x')} images of ${dataset.classes.length}`,
    );
  }
  const other = firstOther(model.classes, dataset.classes);
  if (other !== undefined) {
    throw new UsageError(
      `class ${other} is '${model.classes[other]}' for '${model.name}' and '${dataset.classes[other]}' in ${dataset.name}: in another order, or with other names, it would learn under wrong ones`,
    );
  }
  checkBatchSize(batchSize);
  if (dataset.count < batchSize)
    throw new UsageError(`${dataset.name} has ${dataset.count} images, fewer than one batch of ${batchSize}`);
  if (!Number.isInteger(epochs) || epochs < 1)
    throw new UsageError(`epochs must be a whole number, 1 or more, not ${epochs}`);
  if (!(learningRate > 0)) throw new UsageError(`the learning rate must be above 0, not ${learningRate}`);
  if (method) checkMethod(method);
  checkRules(options);
}

/** The first class that has another name in the data; names that only count, 0, 1, 2 ..., stand for any. */
function firstOther(model: readonly string[], data: readonly string[]): number | undefined {
  const onlyCount = (names: readonly string[]) => names.every((name, k) => name === String(k));
  if (onlyCount(model) || onlyCount(data)) return undefined;
  const found = model.findIndex((name, k) => name !== data[k]);
  return found < 0 ? undefined : found;
}

/** The parts of a training that check themselves, and whether the best epoch can be told. */
function checkRules(options: TrainOptions): void {
  const { schedule, clipping, labelSmoothing, averaging, augmentation, validation } = options;
  if (schedule) checkSchedule(schedule);
  if (clipping) checkClipping(clipping);
  if (labelSmoothing !== undefined) checkLabelSmoothing(labelSmoothing);
  if (averaging) checkWeightAveraging(averaging);
  if (augmentation) checkAugmentation(augmentation);
  const selection = selectionOf(options);
  if (validation && validation.attack === undefined && (selection === 'robust' || selection === 'mean'))
    throw new UsageError(`to keep the best epoch by '${selection}' accuracy, the validation needs an attack`);
}

/** By what the best epoch is told where the options do not say. */
export function selectionOf({ method = standard(), selection, validation }: TrainOptions): Selection {
  const attacked = method.inner !== undefined || method.replays !== undefined;
  return selection ?? (attacked && (validation === undefined || validation.attack) ? 'mean' : 'natural');
}
