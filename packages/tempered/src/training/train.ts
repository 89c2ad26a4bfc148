import type { Tensor as GraphTensor } from 'onnx-grad';
import { type Attack, perturb } from '../attacks/attack.ts';
import { type Augmentation, checkAugmentation } from '../data/augment.ts';
import type { Dataset } from '../data/dataset.ts';
import { DataError, TrainingError, UsageError } from '../errors.ts';
import { checkBatchSize } from '../models/batching.ts';
import { Classifier, type ModelDescription } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import type { Work } from '../progress.ts';
import type { ResidentTensor, Runtime } from '../runtime/runtime.ts';
import { type Adversary, compileAdversary } from './adversary.ts';
import { type Checkpoint, type CheckpointStore, download, type EpochRecord, type Weights } from './checkpoint.ts';
import { checkClipping, type GradientClipping } from './clipping.ts';
import type { Finding } from './detection.ts';
import { trainEpoch } from './epoch.ts';
import { findingsOf } from './findings.ts';
import { checkLabelSmoothing } from './label-smoothing.ts';
import { checkMethod, standard, type TrainingMethod } from './method.ts';
import { type Optimizer, sgd } from './optimizer.ts';
import { checkSchedule, type Schedule } from './schedule.ts';
import { type Selection, selectionScore } from './selection.ts';
import { singleStepBall, trainingRobustness } from './single-step.ts';
import {
  carriedShapes,
  compileTrainingStep,
  createTrainingState,
  releaseTrainingState,
  type TrainingStep,
} from './step-program.ts';
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

/**
 * Trains a classifier. Loss, gradients and update are one compiled graph; weights stay with the engine. The result
 * depends only on the options and the device: a training that was stopped and resumed ends with the same weights. When
 * the loss stops being a number the training ends, with what the epochs before gave.
 *
 * @throws UsageError when data set and model do not fit; TrainingError when the loss is no number in the first epoch
 * @example
 * const { model } = await train({ runtime, model: createModel({ ... }), dataset: shapes({ split: 'train' }), epochs: 5 });
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { runtime, model, optimizer = sgd(), batchSize = 100, checkpoints, epochs, method = standard() } = options;
  const { dataset, seed = 0, signal, averaging, clipping, labelSmoothing, validation } = options;
  checkTrainOptions(options);
  const carried = carriedShapes(method, model, batchSize);
  const state = await createTrainingState(runtime, model, optimizer, carried, averaging !== undefined);
  const evaluated = averaging ? state.average : state.parameters;
  const live = new Classifier(model, runtime, evaluated);
  const ball = singleStepBall(method);
  const watched = ball && { classifier: new Classifier(model, runtime, state.parameters), ball };
  let step: TrainingStep | undefined;
  let adversary: Adversary | undefined;
  try {
    const resumed = await checkpoints?.load();
    if (resumed) {
      await restore(runtime, state.parameters, resumed.parameters);
      await restore(runtime, state.optimizer, resumed.optimizer);
      await restore(runtime, state.carried, resumed.carried ?? {});
      await restore(runtime, state.average, resumed.average ?? {});
    }
    const rules = { optimizer, method, clipping, labelSmoothing, averaging };
    step = await compileTrainingStep(runtime, model, { ...rules, batchSize, state });
    const { inner } = method;
    adversary = inner && (await compileAdversary(runtime, model, { inner, batchSize, state }));
    const history: EpochRecord[] = [...(resumed?.history ?? [])];
    let best: Checkpoint['best'] | undefined = resumed?.best;
    let reached: Weights | undefined;
    let findings: readonly Finding[] = [];
    const tell = (found: readonly Finding[]) => {
      for (const finding of found)
        if (!findings.some(({ name }) => name === finding.name)) options.onFinding?.(finding);
      findings = found;
    };
    const watch = (): Finding[] =>
      findingsOf(history, {
        epochs,
        classes: model.classes.length,
        trainingImages: dataset.count,
        validationImages: validation?.dataset.count ?? 0,
      });
    const measure = async () => {
      const measured = await validate(live, options);
      const trainingRobustAccuracy =
        watched &&
        (await trainingRobustness(watched.classifier, dataset, { ...watched.ball, batchSize, seed, signal }));
      return { ...measured, ...(trainingRobustAccuracy !== undefined && { trainingRobustAccuracy }) };
    };
    tell(watch());
    for (let epoch = history.length; epoch < epochs; epoch++) {
      const started = performance.now();
      const parts = { epoch, step, adversary, previous: history.at(-1) };
      const trained = await trainEpoch({ ...options, batchSize, method }, parts)
        .then(async (fed) => {
          const parameters = finite(await download(state.parameters), epoch + 1);
          const measured = await measure().catch((error: unknown) => refuseInfiniteLogits(error, epoch + 1));
          return { parameters, figures: { ...fed, ...measured } };
        })
        .catch((error: unknown) => {
          // Before the first epoch is done, there is nothing to keep.
          if (!(error instanceof TrainingError) || best === undefined) throw error;
          tell([...findings, { name: 'not-a-number', epoch: epoch + 1, message: error.message }]);
        });
      if (trained === undefined) break;
      const { figures, parameters } = trained;
      const seconds = (performance.now() - started) / 1000;
      const record: EpochRecord = { epoch: epoch + 1, ...figures, seconds };
      history.push(record);
      const score = selectionScore(record, selectionOf(options));
      const average = averaging && (await download(state.average));
      reached = average ?? parameters;
      if (best === undefined || score >= best.score) best = { epoch: epoch + 1, score, parameters: reached };
      // Before the checkpoint: when the process is killed between the two, the epoch is done and told again, not lost.
      await options.onEpoch?.(record);
      tell(watch());
      await checkpoints?.save({
        epoch: epoch + 1,
        parameters,
        optimizer: await download(state.optimizer),
        carried: await download(state.carried),
        ...(average && { average }),
        best,
        history,
      });
    }
    const last = withWeights(model, reached ?? (await download(evaluated)));
    return { model: withWeights(model, best?.parameters ?? {}), bestEpoch: best?.epoch ?? 0, last, history, findings };
  } finally {
    step?.release();
    adversary?.release();
    await live.release();
    await watched?.classifier.release();
    releaseTrainingState(state);
  }
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
  checkBatchSize(batchSize);
  if (dataset.count < batchSize)
    throw new UsageError(`${dataset.name} has ${dataset.count} images, fewer than one batch of ${batchSize}`);
  if (!Number.isInteger(epochs) || epochs < 1)
    throw new UsageError(`epochs must be a whole number, 1 or more, not ${epochs}`);
  if (!(learningRate > 0)) throw new UsageError(`the learning rate must be above 0, not ${learningRate}`);
  if (method) checkMethod(method);
  checkRules(options);
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

async function validate(
  live: Classifier,
  { validation, signal, seed = 0 }: TrainOptions,
): Promise<Pick<EpochRecord, 'naturalAccuracy' | 'robustAccuracy'>> {
  if (validation === undefined) return {};
  const { dataset, attack, epsilon } = validation;
  const { images, labels } = dataset.batch(Uint32Array.from({ length: dataset.count }, (_, i) => i));
  const accuracy = (predictions: Int32Array) => predictions.filter((k, i) => k === labels[i]).length / labels.length;
  const naturalAccuracy = accuracy(await predict(live, images, { signal, batchSize: 100 }));
  if (attack === undefined || epsilon === undefined) return { naturalAccuracy };
  const { predictions } = await perturb(live, attack, { images, labels, epsilon, seed, signal, batchSize: 100 });
  return { naturalAccuracy, robustAccuracy: accuracy(predictions) };
}

function selectionOf({ method = standard(), selection, validation }: TrainOptions): Selection {
  const attacked = method.inner !== undefined || method.replays !== undefined;
  return selection ?? (attacked && (validation === undefined || validation.attack) ? 'mean' : 'natural');
}

/** The last update of an epoch may break weights whose loss is not looked at any more. */
function finite(weights: Weights, epoch: number): Weights {
  const broken = Object.keys(weights).find((name) => !(weights[name]!.data as Float32Array).every(Number.isFinite));
  if (broken === undefined) return weights;
  throw new TrainingError(
    `After epoch ${epoch}, '${broken}' holds numbers that are not finite: lower the learning rate, or clip the gradients.`,
  );
}

/** Weights that are finite, but so large that their logits are not. */
function refuseInfiniteLogits(error: unknown, epoch: number): never {
  if (!(error instanceof DataError)) throw error;
  throw new TrainingError(`After epoch ${epoch}, ${error.message}: lower the learning rate, or clip the gradients.`, {
    cause: error,
  });
}

async function restore(runtime: Runtime, into: Record<string, ResidentTensor>, weights: Weights): Promise<void> {
  for (const [name, tensor] of Object.entries(into)) {
    const saved = weights[name];
    if (saved === undefined || saved.shape.join() !== tensor.shape.join()) {
      throw new UsageError(`the checkpoint does not fit the model: '${name}' is missing or of another shape`);
    }
    into[name] = await runtime.upload(saved);
    tensor.release();
  }
}

/** A model with other weights. */
export function withWeights(model: ModelDescription, weights: Weights): ModelDescription {
  const initializers = new Map(model.graph.initializers);
  for (const [name, { shape, data }] of Object.entries(weights)) {
    const tensor: GraphTensor = { dtype: 'float32', shape, data: data as Float32Array };
    initializers.set(name, tensor);
  }
  return { ...model, graph: { ...model.graph, initializers } };
}
