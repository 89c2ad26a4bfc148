import type { Tensor as GraphTensor } from 'onnx-grad';
import { type Attack, perturb } from '../attacks/attack.ts';
import { type Pgd, stepSizeAt } from '../attacks/pgd.ts';
import { type Augmentation, augment } from '../data/augment.ts';
import { batches, type Dataset } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import { checkBatchSize, feed, oneHot } from '../models/batching.ts';
import { Classifier, type ModelDescription } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import { releaseAll } from '../optimize/iterate.ts';
import { checkEpsilon, randomStart } from '../optimize/optimize-input.ts';
import { compileSteps, type StepPrograms, takeSteps } from '../optimize/steps.ts';
import type { Work } from '../progress.ts';
import { createRandom } from '../random.ts';
import type { HostTensor, ResidentTensor, Runtime } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import { type Checkpoint, type CheckpointStore, download, type EpochRecord, type Weights } from './checkpoint.ts';
import { standard, type TrainingMethod } from './method.ts';
import { type Optimizer, sgd } from './optimizer.ts';
import { cosine, rateFactor, type Schedule } from './schedule.ts';
import { compileTrainingStep, createTrainingState, releaseTrainingState, type TrainingStep } from './step-program.ts';

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
  const { runtime, model, optimizer = sgd(), batchSize = 100, checkpoints, epochs } = options;
  checkTrainOptions(options);
  const state = await createTrainingState(runtime, model, optimizer);
  const live = new Classifier(model, runtime, state.parameters);
  let step: TrainingStep | undefined;
  try {
    const resumed = await checkpoints?.load();
    if (resumed) {
      await restore(runtime, state.parameters, resumed.parameters);
      await restore(runtime, state.optimizer, resumed.optimizer);
    }
    step = await compileTrainingStep(runtime, model, { optimizer, batchSize, state });
    const attacker = await compileAttack(live, options, batchSize);
    const history: EpochRecord[] = [...(resumed?.history ?? [])];
    let best: Checkpoint['best'] | undefined = resumed?.best;
    for (let epoch = history.length; epoch < epochs; epoch++) {
      const started = performance.now();
      const fed = await trainEpoch({ ...options, batchSize }, { epoch, step, live, attacker });
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
        best,
        history,
      });
    }
    const last = withWeights(model, await download(state.parameters));
    return { model: withWeights(model, best?.parameters ?? {}), bestEpoch: best?.epoch ?? 0, last, history };
  } finally {
    step?.release();
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
  if (method?.name === 'adversarial') checkMethod(method);
}

/** Options that a training step would pass over in silence are refused. */
function checkMethod({ attack, epsilon, warmup }: TrainingMethod & { name: 'adversarial' }): void {
  checkEpsilon(epsilon);
  if (!(warmup >= 0 && warmup <= 1))
    throw new UsageError(`the warm-up must be a share of the training, 0 to 1, not ${warmup}`);
  if (attack.keep !== 'last') throw new UsageError('adversarial training takes an attack that keeps the last iterate');
}

type Attacker = { programs: StepPrograms; attack: Pgd; epsilon: number; warmup: number } | undefined;

async function compileAttack(
  live: Classifier,
  { method = standard() }: TrainOptions,
  batchSize: number,
): Promise<Attacker> {
  if (method.name === 'standard') return undefined;
  const { attack, epsilon, warmup } = method;
  const programs = await compileSteps(live, { objective: attack.loss, goal: 'away', norm: attack.norm }, batchSize);
  return { programs, attack, epsilon, warmup };
}

async function trainEpoch(
  options: TrainOptions & { batchSize: number },
  { epoch, step, live, attacker }: { epoch: number; step: TrainingStep; live: Classifier; attacker: Attacker },
): Promise<{ loss: number; trainingAccuracy: number; learningRate: number }> {
  const {
    dataset,
    batchSize,
    epochs,
    seed = 0,
    schedule = cosine(),
    learningRate = 0.05,
    signal,
    onProgress,
  } = options;
  const perEpoch = Math.floor(dataset.count / batchSize);
  let batch = 0;
  let loss = 0;
  let correct = 0;
  let rate = learningRate;
  for (const indices of batches(dataset, { batchSize, shuffle: createRandom(seed, 'order', epoch), dropLast: true })) {
    signal?.throwIfAborted();
    const { images, labels } = dataset.batch(indices);
    const fed = options.augmentation
      ? augment(images, options.augmentation, createRandom(seed, 'augment', epoch), indices)
      : images;
    const target = feed(oneHot(labels, dataset.classes.length));
    const done = epoch * perEpoch + batch;
    const progress = done / (epochs * perEpoch);
    rate = learningRate * rateFactor(schedule, { step: done, stepsPerEpoch: perEpoch, epochs });
    const x =
      attacker && (await attackBatch(live, attacker, fed, target, { progress, seed, seen: done * batchSize, signal }));
    const result = await step
      .run({ x: x ?? feed(fed), target, step: done + 1, learningRate: rate })
      .finally(() => x && releaseAll({ x }));
    if (!Number.isFinite(result.loss)) {
      throw new Error(`the loss is ${result.loss} in epoch ${epoch + 1}, batch ${batch + 1}: lower the learning rate`);
    }
    batch += 1;
    loss += result.loss;
    correct += result.correct;
    const accuracy = ((100 * correct) / (batch * batchSize)).toFixed(1);
    onProgress?.({
      stage: `epoch ${epoch + 1} of ${epochs}`,
      done: epoch * perEpoch + batch,
      total: epochs * perEpoch,
      detail: `loss ${(loss / batch).toFixed(3)}, accuracy ${accuracy} %`,
    });
  }
  return { loss: loss / batch, trainingAccuracy: correct / (batch * batchSize), learningRate: rate };
}

/** The adversarial examples of a batch under the current weights, left with the engine. */
async function attackBatch(
  live: Classifier,
  { programs, attack, epsilon: finalEpsilon, warmup }: NonNullable<Attacker>,
  images: Tensor,
  target: ReturnType<typeof feed>,
  { progress, seed, seen, signal }: { progress: number; seed: number; seen: number; signal: AbortSignal | undefined },
): Promise<HostTensor | ResidentTensor> {
  const epsilon = warmup > 0 ? finalEpsilon * Math.min(1, progress / warmup) : finalEpsilon;
  const chunk = { start: 0, end: images.shape[0]! };
  // Counted through the whole training, so that no image starts twice from the same point.
  const imageNumbers = Array.from({ length: chunk.end }, (_, i) => seen + i);
  const each = (value: number): Tensor => ({ shape: [chunk.end], data: new Float32Array(chunk.end).fill(value) });
  const start = attack.randomStart
    ? randomStart(images, chunk, 0, { norm: attack.norm, epsilon: each(epsilon), seed, imageNumbers })
    : images;
  const origin = await live.runtime.upload(feed(images));
  try {
    const { x } = await takeSteps(programs.step, {
      start: await live.runtime.upload(feed(start)),
      origin,
      target,
      epsilon: feed(each(epsilon)),
      stepSize: feed(each(stepSizeAt(attack, epsilon))),
      steps: attack.steps,
      signal,
    });
    return x;
  } finally {
    origin.release();
  }
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
  return method.name === 'standard' || robustAccuracy === undefined
    ? naturalAccuracy
    : (naturalAccuracy + robustAccuracy) / 2;
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
