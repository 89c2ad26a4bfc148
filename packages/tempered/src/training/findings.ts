import type { EpochRecord } from './checkpoint.ts';
import { catastrophicOverfitting, chanceLevel, type Finding, robustOverfitting } from './detection.ts';

export interface Watched {
  /** Epochs of the whole training. */
  readonly epochs: number;
  readonly classes: number;
  readonly trainingImages: number;
  readonly validationImages: number;
}

/** What the epochs so far show. Robust over-fitting is a matter of the last epoch, the rest is told as soon as it shows. */
export function findingsOf(
  history: readonly EpochRecord[],
  { epochs, classes, trainingImages, validationImages }: Watched,
): Finding[] {
  const column = (key: 'naturalAccuracy' | 'robustAccuracy' | 'trainingRobustAccuracy' | 'trainingAccuracy') =>
    history.flatMap(({ epoch, [key]: accuracy }) => (accuracy === undefined ? [] : [{ epoch, accuracy }]));
  const isLast = history.length >= epochs;
  const isMeasured = validationImages > 0;
  const patience = 3;
  const learning = column(isMeasured ? 'naturalAccuracy' : 'trainingAccuracy');
  const images = isMeasured ? validationImages : trainingImages;
  return [
    isLast || history.length >= patience ? chanceLevel(learning, { classes, images, patience }) : undefined,
    catastrophicOverfitting(column('trainingRobustAccuracy')),
    isLast && isMeasured ? robustOverfitting(column('robustAccuracy'), { images }) : undefined,
  ].filter((finding) => finding !== undefined);
}
