/** @file What is measured after every epoch. */
import { perturb } from '../attacks/attack.ts';
import { DataError, TrainingError } from '../errors.ts';
import type { Classifier } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import type { EpochRecord } from './checkpoint.ts';
import type { TrainOptions } from './options.ts';
import { type Ball, trainingRobustness } from './single-step.ts';

export interface MeasuredModels {
  /** What is validated: the weights, or their averages. */
  readonly validated: Classifier;
  /** The weights themselves, and the ball, of a training of one attack step. */
  readonly watched: { readonly classifier: Classifier; readonly ball: Ball } | undefined;
}

/**
 * Natural and robust accuracy on the validation images, and robust accuracy on training images where that has to be
 * watched.
 *
 * @throws TrainingError when the weights are so large that their logits are not finite
 */
export async function measure(
  { validated, watched }: MeasuredModels,
  options: TrainOptions,
  epoch: number,
): Promise<Pick<EpochRecord, 'naturalAccuracy' | 'robustAccuracy' | 'trainingRobustAccuracy'>> {
  try {
    const measured = await validate(validated, options);
    const trainingRobustAccuracy = watched && (await trainingRobustness(watched.classifier, watched.ball, options));
    return { ...measured, ...(trainingRobustAccuracy !== undefined && { trainingRobustAccuracy }) };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    throw new TrainingError(`After epoch ${epoch}, ${error.message}: lower the learning rate, or clip the gradients.`, {
      cause: error,
    });
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
