import type { Tensor as GraphTensor } from 'onnx-grad';
import { type Attack, perturb } from '../attacks/attack.ts';
import type { Augmentation } from '../data/augment.ts';
import type { Dataset } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import { checkBatchSize } from '../models/batching.ts';
import { Classifier, type ModelDescription } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import type { Work } from '../progress.ts';
import type { ResidentTensor, Runtime } from '../runtime/runtime.ts';
import { type Adversary, compileAdversary } from './adversary.ts';
import { type Checkpoint, type CheckpointStore, download, type EpochRecord, type Weights } from './checkpoint.ts';
import { trainEpoch } from './epoch.ts';
import { checkMethod, standard, type TrainingMethod } from './method.ts';
import { type Optimizer, sgd } from './optimizer.ts';
import type { Schedule } from './schedule.ts';
import {
  carriedShapes,
  compileTrainingStep,
  createTrainingState,
  releaseTrainingState,
  type TrainingStep,
} from './step-program.ts';

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
  /** Measured after every epoch; the best epoch's weights are returned. Without it, the last epoch's. */
  validation?: Validation;
  /** Where the state is kept between epochs; with one, a stopped training goes on where it was. */
  checkpoints?: CheckpointStore;
  /** Called after every epoch, before its checkpoint is stored: a training stopped between the two calls it again. */
  onEpoch?: (record: EpochRecord) => void | Promise<void>;
}

export interface Validation {
  dataset: Dataset;
  /** Adversarially trained models are chosen by (natural + robust accuracy) / 2, standard ones by natural accuracy. */
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
}

/**
 * Trains a classifier. Loss, gradients and update are one compiled graph; weights stay with the engine. The result
 * depends only on the options and the device: a training that was stopped and resumed ends with the same weights.
 *
 * @throws UsageError when data set and model do not fit; Error when the loss stops being a number
 * @example
 * const { model } = await train({ runtime, model: createModel({ ... }), dataset: shapes({ split: 'train' }), epochs: 5 });
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { runtime, model, optimizer = sgd(), batchSize = 100, checkpoints, epochs, method = standard() } = options;
  checkTrainOptions(options);
  const state = await createTrainingState(runtime, model, optimizer, carriedShapes(method, model, batchSize));
  const live = new Classifier(model, runtime, state.parameters);
  let step: TrainingStep | undefined;
  let adversary: Adversary | undefined;
  try {
    const resumed = await checkpoints?.load();
    if (resumed) {
      await restore(runtime, state.parameters, resumed.parameters);
      await restore(runtime, state.optimizer, resumed.optimizer);
      await restore(runtime, state.carried, resumed.carried ?? {});
    }
    step = await compileTrainingStep(runtime, model, { optimizer, batchSize, state, method });
    const { inner } = method;
    adversary = inner && (await compileAdversary(runtime, model, { inner, batchSize, state }));
    const history: EpochRecord[] = [...(resumed?.history ?? [])];
    let best: Checkpoint['best'] | undefined = resumed?.best;
    for (let epoch = history.length; epoch < epochs; epoch++) {
      const started = performance.now();
      const fed = await trainEpoch({ ...options, batchSize, method }, { epoch, step, adversary });
      const measured = await validate(live, options);
      const record: EpochRecord = {
        epoch: epoch + 1,
        ...fed,
        ...measured,
        seconds: (performance.now() - started) / 1000,
      };
      history.push(record);
      const score = scoreOf(record, options);
      const parameters = await download(state.parameters);
      if (best === undefined || score >= best.score) best = { epoch: epoch + 1, score, parameters };
      // Before the checkpoint: when the process is killed between the two, the epoch is done and told again, not lost.
      await options.onEpoch?.(record);
      await checkpoints?.save({
        epoch: epoch + 1,
        parameters,
        optimizer: await download(state.optimizer),
        carried: await download(state.carried),
        best,
        history,
      });
    }
    const last = withWeights(model, await download(state.parameters));
    return { model: withWeights(model, best?.parameters ?? {}), bestEpoch: best?.epoch ?? 0, last, history };
  } finally {
    step?.release();
    adversary?.release();
    await live.release();
    releaseTrainingState(state);
  }
}

/** Throws a UsageError for options that `train` refuses, before any work. */
export function checkTrainOptions({
  model,
  dataset,
  epochs,
  batchSize = 100,
  learningRate = 0.05,
  method,
}: TrainOptions): void {
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

/** Later epochs win ties; without validation every epoch ties. */
function scoreOf({ naturalAccuracy = 0, robustAccuracy }: EpochRecord, { method = standard() }: TrainOptions): number {
  const attacked = method.inner !== undefined || method.replays !== undefined;
  return !attacked || robustAccuracy === undefined ? naturalAccuracy : (naturalAccuracy + robustAccuracy) / 2;
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
