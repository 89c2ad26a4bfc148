import { batches, type Dataset } from '../data/dataset.ts';
import { TrainingError, UsageError } from '../errors.ts';
import { checkBatchSize, feed } from '../models/batching.ts';
import type { Work } from '../progress.ts';
import { createRandom } from '../random.ts';
import type { HostTensor, Runtime } from '../runtime/runtime.ts';
import { adam } from '../training/optimizer.ts';
import { finite } from '../training/weights.ts';
import { initialState, uploadState, type VaeGanState, withState } from './state.ts';
import { compilePartStep, type PartStep } from './step-program.ts';
import { PARTS, type Part, type VaeGan } from './vae-gan.ts';

export interface VaeGanSettings {
  /** Of the three Adam optimisers alike. */
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  /** λ: weight of the reconstruction error in the decoder's loss. */
  readonly reconstructionWeight: number;
  /** Updates of the discriminator for each of encoder and decoder. */
  readonly discriminatorSteps: number;
  /** Passes over the data. */
  readonly epochs: number;
}

/** The settings of Kim, Seo & Jeon 2019, with batches of 100. */
export const vaeGanSettings = {
  mnist: { learningRate: 5e-4, beta1: 0.5, beta2: 0.9, reconstructionWeight: 5e-3, discriminatorSteps: 1, epochs: 30 },
  'fashion-mnist': {
    learningRate: 5e-4,
    beta1: 0.5,
    beta2: 0.9,
    reconstructionWeight: 5e-4,
    discriminatorSteps: 1,
    epochs: 60,
  },
  cifar10: { learningRate: 2e-4, beta1: 0, beta2: 0.9, reconstructionWeight: 1e-2, discriminatorSteps: 5, epochs: 150 },
} as const satisfies Record<string, VaeGanSettings>;

/** Means over the updates of an epoch. */
export interface VaeGanEpoch {
  /** Counted from 1. */
  readonly epoch: number;
  /** Reconstruction error + Kullback-Leibler divergence, an image. */
  readonly encoderLoss: number;
  readonly decoderLoss: number;
  readonly discriminatorLoss: number;
  /** Σ |x − x̃| over the pixels, on the scale of [−1, 1]. */
  readonly reconstruction: number;
  readonly klDivergence: number;
  readonly seconds: number;
}

export interface VaeGanCheckpoint {
  readonly history: readonly VaeGanEpoch[];
  readonly state: Readonly<Record<string, HostTensor>>;
}

export interface VaeGanCheckpointStore {
  load(): Promise<VaeGanCheckpoint | undefined>;
  /** Replaces the stored checkpoint at once: a reader sees the old or the new one, never a mixture. */
  save(checkpoint: VaeGanCheckpoint): Promise<void>;
}

export interface TrainVaeGanOptions extends Work {
  runtime: Runtime;
  /** Its weights are where the training starts. */
  vaeGan: VaeGan;
  dataset: Dataset;
  settings: VaeGanSettings;
  /** Default 100; a last batch that is not full is left out. */
  batchSize?: number;
  /** Of the noise. Default 0. */
  seed?: number;
  /** Whether images come in another order every epoch; in the source they come as they lie. Default false. */
  shuffle?: boolean;
  /** Where the state is kept between epochs; with one, a stopped training goes on where it was. */
  checkpoints?: VaeGanCheckpointStore;
  /** Called after every epoch, before its checkpoint is stored: a training stopped between the two calls it again. */
  onEpoch?: (record: VaeGanEpoch, vaeGan: VaeGan) => void | Promise<void>;
}

/**
 * Trains a VAE-GAN as Kim, Seo & Jeon 2019 do: on every batch one update of the encoder, one of the decoder and
 * `discriminatorSteps` of the discriminator, each with its own Adam and with fresh noise. Weights stay with the engine.
 * The result depends only on the options and the device: a training that was stopped and resumed ends with the same
 * weights. Running variances are those of the population, not the sample's as in TensorFlow.
 *
 * @throws UsageError when data set and VAE-GAN do not fit; TrainingError when a loss or a weight stops being a number
 * @example
 * const { vaeGan } = await trainVaeGan({ runtime, dataset: mnist, settings: vaeGanSettings.mnist,
 *   vaeGan: createVaeGan({ imageShape: mnist.imageShape }) });
 */
export async function trainVaeGan(
  options: TrainVaeGanOptions,
): Promise<{ vaeGan: VaeGan; history: readonly VaeGanEpoch[] }> {
  const { runtime, vaeGan, settings, batchSize = 100, checkpoints } = options;
  checkVaeGanOptions(options);
  const optimizer = adam({ beta1: settings.beta1, beta2: settings.beta2 });
  const resumed = await checkpoints?.load();
  const history: VaeGanEpoch[] = [...(resumed?.history ?? [])];
  const state = await uploadState(runtime, initialState(vaeGan, optimizer), resumed?.state);
  const steps: Partial<Record<Part, PartStep>> = {};
  try {
    const { reconstructionWeight } = settings;
    const step = { vaeGan, batchSize, optimizer, reconstructionWeight, state };
    for (const part of PARTS) steps[part] = await compilePartStep(runtime, part, step);
    let current = withState(vaeGan, await downloadState(state));
    for (let epoch = history.length; epoch < settings.epochs; epoch++) {
      const started = performance.now();
      const means = await trainEpoch({ ...options, batchSize }, epoch, steps as Record<Part, PartStep>);
      const saved = finite(await downloadState(state), epoch + 1);
      const record: VaeGanEpoch = { epoch: epoch + 1, ...means, seconds: (performance.now() - started) / 1000 };
      history.push(record);
      current = withState(vaeGan, saved);
      await options.onEpoch?.(record, current);
      await checkpoints?.save({ history, state: saved });
    }
    return { vaeGan: current, history };
  } finally {
    for (const step of Object.values(steps)) step.release();
    for (const tensor of Object.values(state)) tensor.release();
  }
}

/** Throws a UsageError for options that `trainVaeGan` refuses, before any work. */
export function checkVaeGanOptions({ vaeGan, dataset, settings, batchSize = 100 }: TrainVaeGanOptions): void {
  if (dataset.imageShape.join() !== vaeGan.imageShape.join()) {
    throw new UsageError(
      `the VAE-GAN takes images of ${vaeGan.imageShape.join('x')}, but ${dataset.name} has ${dataset.imageShape.join('x')}`,
    );
  }
  checkBatchSize(batchSize);
  if (dataset.count < batchSize)
    throw new UsageError(`${dataset.name} has ${dataset.count} images, fewer than one batch of ${batchSize}`);
  for (const [what, value] of [
    ['epochs', settings.epochs],
    ['discriminatorSteps', settings.discriminatorSteps],
  ] as const) {
    if (!Number.isInteger(value) || value < 1)
      throw new UsageError(`${what} must be a whole number, 1 or more, not ${value}`);
  }
  if (!(settings.learningRate > 0))
    throw new UsageError(`the learning rate must be above 0, not ${settings.learningRate}`);
  if (!(settings.reconstructionWeight >= 0))
    throw new UsageError(`the reconstruction weight must be 0 or more, not ${settings.reconstructionWeight}`);
}

async function trainEpoch(
  options: TrainVaeGanOptions & { batchSize: number },
  epoch: number,
  steps: Readonly<Record<Part, PartStep>>,
): Promise<Omit<VaeGanEpoch, 'epoch' | 'seconds'>> {
  const { runtime, vaeGan, dataset, settings, batchSize, seed = 0, shuffle = false, signal, onProgress } = options;
  const { learningRate, discriminatorSteps, epochs } = settings;
  const perEpoch = Math.floor(dataset.count / batchSize);
  const noise = (...stream: (number | string)[]): HostTensor => {
    const data = new Float32Array(batchSize * vaeGan.codeSize);
    createRandom(seed, 'noise', ...stream).fillNormal(data, 0, 1);
    return { dtype: 'float32', shape: [batchSize, vaeGan.codeSize], data };
  };
  const sums: Record<string, number> = {};
  const order = shuffle ? createRandom(seed, 'order', epoch) : undefined;
  let batch = 0;
  for (const indices of batches(dataset, { batchSize, shuffle: order, dropLast: true })) {
    signal?.throwIfAborted();
    const done = epoch * perEpoch + batch;
    const images = await runtime.upload(feed(dataset.batch(indices).images));
    /** `step` counts from 0, through the whole training. */
    const update = async (part: Part, step: number): Promise<void> => {
      const drawn = { noise: noise(part, step, 'code'), prior: noise(part, step, 'prior') };
      const means = await steps[part].run({ images, ...drawn }, step + 1, learningRate);
      for (const [name, value] of Object.entries(means)) {
        if (!Number.isFinite(value))
          throw new TrainingError(
            `The ${part}'s loss is ${value} in epoch ${epoch + 1}, batch ${batch + 1}: lower the learning rate.`,
          );
        sums[`${part} ${name}`] = (sums[`${part} ${name}`] ?? 0) + value;
      }
    };
    try {
      await update('encoder', done);
      await update('decoder', done);
      for (let k = 0; k < discriminatorSteps; k++) await update('discriminator', done * discriminatorSteps + k);
    } finally {
      images.release();
    }
    batch += 1;
    onProgress?.({
      stage: `epoch ${epoch + 1} of ${epochs}`,
      done: done + 1,
      total: epochs * perEpoch,
      detail: `reconstruction ${(sums['encoder reconstruction']! / batch).toFixed(1)}`,
    });
  }
  const mean = (key: string, updates = 1): number => sums[key]! / (batch * updates);
  return {
    encoderLoss: mean('encoder loss'),
    decoderLoss: mean('decoder loss'),
    discriminatorLoss: mean('discriminator loss', discriminatorSteps),
    reconstruction: mean('encoder reconstruction'),
    klDivergence: mean('encoder kl'),
  };
}

async function downloadState(state: VaeGanState): Promise<Record<string, HostTensor>> {
  const tensors: Record<string, HostTensor> = {};
  for (const [name, tensor] of Object.entries(state)) tensors[name] = await tensor.read();
  return tensors;
}
