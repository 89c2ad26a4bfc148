/** @file One epoch of a training: its batches, the attack on each, and the steps. */
import { augment } from '../data/augment.ts';
import { batches } from '../data/dataset.ts';
import { TrainingError } from '../errors.ts';
import { feed, oneHot } from '../models/batching.ts';
import { createRandom } from '../random.ts';
import type { ResidentTensor } from '../runtime/runtime.ts';
import type { Adversary } from './adversary.ts';
import type { EpochRecord } from './checkpoint.ts';
import { notANumber } from './detection.ts';
import type { TrainingMethod } from './method.ts';
import type { TrainOptions } from './options.ts';
import { cosine, rateFactor } from './schedule.ts';
import type { StepResult, TrainingStep } from './step-program.ts';

export interface EpochParts {
  /** Counted from 0. */
  readonly epoch: number;
  readonly step: TrainingStep;
  /** Undefined where the method attacks nothing. */
  readonly adversary: Adversary | undefined;
  /** The epoch before this one, for the progress. */
  readonly previous: EpochRecord | undefined;
}

/**
 * Goes once through the data set.
 *
 * @throws TrainingError when the loss is no number any more
 */
export async function trainEpoch(
  options: TrainOptions & { batchSize: number; method: TrainingMethod },
  { epoch, step, adversary, previous }: EpochParts,
): Promise<Pick<EpochRecord, 'loss' | 'trainingAccuracy' | 'learningRate'>> {
  const { runtime, dataset, batchSize, epochs, method, schedule = cosine(), learningRate = 0.05 } = options;
  const { shuffle = true, seed = 0, signal, onProgress } = options;
  const stepsPerEpoch = Math.floor(dataset.count / batchSize);
  const replays = method.replays?.count ?? 1;
  let batch = 0;
  let loss = 0;
  let correct = 0;
  let rate = learningRate;
  const started = performance.now();
  const order = shuffle ? createRandom(seed, 'order', epoch) : undefined;
  for (const indices of batches(dataset, { batchSize, shuffle: order, dropLast: true })) {
    signal?.throwIfAborted();
    const chosen = dataset.batch(indices);
    const images = options.augmentation
      ? augment(chosen.images, options.augmentation, createRandom(seed, 'augment', epoch), indices)
      : chosen.images;
    const target = feed(oneHot(chosen.labels, dataset.classes.length));
    const done = epoch * stepsPerEpoch + batch;
    const clock = { step: done, stepsPerEpoch, epochs };
    rate = learningRate * rateFactor(schedule, clock);
    const attacked = method.batches === 'alternating' ? done % 2 === 1 : true;
    const origin = await runtime.upload(feed(images));
    let adversarial: ResidentTensor | undefined;
    let result: StepResult = { loss: 0, correct: 0 };
    try {
      adversarial =
        attacked && adversary
          ? await adversary.attack({ images, origin, target, clock, seed, firstNumber: done * batchSize, signal })
          : undefined;
      for (let replay = 1; replay <= replays; replay++) {
        const count = done * replays + replay;
        result = await step.run({ x: origin, adversarial, target, step: count, learningRate: rate, clock });
      }
    } finally {
      origin.release();
      adversarial?.release();
    }
    batch += 1;
    const diverged = notANumber(result.loss, epoch + 1, batch);
    if (diverged) throw new TrainingError(diverged.message);
    loss += result.loss;
    correct += result.correct;
    const perSecond = (1000 * batch * batchSize) / (performance.now() - started);
    const figures = [
      `${Math.round(perSecond)} images/s`,
      `loss ${(loss / batch).toFixed(3)}`,
      `accuracy ${percent(correct / (batch * batchSize))}`,
      previous?.naturalAccuracy !== undefined && `natural ${percent(previous.naturalAccuracy)}`,
      previous?.robustAccuracy !== undefined && `robust ${percent(previous.robustAccuracy)}`,
    ];
    onProgress?.({
      stage: `epoch ${epoch + 1} of ${epochs}`,
      done: done + 1,
      total: epochs * stepsPerEpoch,
      detail: figures.filter(Boolean).join(', '),
    });
  }
  return { loss: loss / batch, trainingAccuracy: correct / (batch * batchSize), learningRate: rate };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
