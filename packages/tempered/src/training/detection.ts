/** @file Trainings that went wrong, told from what was measured along the way. Pure functions; `train` calls them. */

export type FindingName = 'not-a-number' | 'chance-level' | 'catastrophic-overfitting' | 'robust-overfitting';

export interface Finding {
  readonly name: FindingName;
  /** Of the epoch that shows it, counted from 1. */
  readonly epoch: number;
  /** What was seen, and what to do about it. */
  readonly message: string;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Twice the standard error of an accuracy over `count` images; the largest there is when it is not known. */
const margin = (accuracy: number, count: number): number => 2 * Math.sqrt((accuracy * (1 - accuracy)) / count);

/** A loss that is no number any more: nothing can be learned from there on. */
export function notANumber(loss: number, epoch: number, batch: number): Finding | undefined {
  if (Number.isFinite(loss)) return undefined;
  return {
    name: 'not-a-number',
    epoch,
    message: `The loss is ${loss} in epoch ${epoch}, batch ${batch}: lower the learning rate, or clip the gradients.`,
  };
}

/**
 * Learning that never began: the accuracy is that of guessing, over the last `patience` epochs or the whole of a shorter
 * training.
 *
 * @param epochs accuracy of each epoch, on unchanged images where there are any: adversarial ones may well be hopeless
 * @param options.images how many images an accuracy was measured on: above chance means above twice its standard error
 * @param options.patience default 3
 */
export function chanceLevel(
  epochs: readonly { readonly epoch: number; readonly accuracy: number }[],
  { classes, images, patience = 3 }: { classes: number; images: number; patience?: number },
): Finding | undefined {
  const last = epochs.slice(-patience);
  const chance = 1 / classes;
  if (last.length === 0 || last.some(({ accuracy }) => accuracy > chance + margin(chance, images))) return undefined;
  const { epoch, accuracy } = last.at(-1)!;
  return {
    name: 'chance-level',
    epoch,
    message: `The accuracy after epoch ${epoch}, ${percent(accuracy)}, is that of guessing among ${classes} classes. Train for longer or at another learning rate; against an attack, let ε grow more slowly.`,
  };
}

/** Robust accuracy, under PGD, of images that were trained on. */
export interface TrainingRobustness {
  readonly epoch: number;
  readonly accuracy: number;
}

/**
 * Catastrophic over-fitting: a model trained with one attack step learns to defeat that step only, and within an epoch
 * its accuracy under PGD collapses (Wong, Rice & Kolter 2020, §5.4).
 *
 * @param measured at least once an epoch, in order
 * @param options.fall share of images, default 0.2
 */
export function catastrophicOverfitting(
  measured: readonly TrainingRobustness[],
  { fall = 0.2 }: { fall?: number } = {},
): Finding | undefined {
  for (const [i, now] of measured.entries()) {
    const recent = measured.slice(0, i).filter(({ epoch }) => epoch >= now.epoch - 1);
    const before = Math.max(0, ...recent.map(({ accuracy }) => accuracy));
    // 0.5 − 0.3 is just below 0.2.
    if (before - now.accuracy < fall - 1e-9) continue;
    return {
      name: 'catastrophic-overfitting',
      epoch: now.epoch,
      message: `Under PGD, accuracy on a training batch fell from ${percent(before)} to ${percent(now.accuracy)} within an epoch, at epoch ${now.epoch}: catastrophic over-fitting of single-step training. Take smaller or more steps, or train with PGD.`,
    };
  }
  return undefined;
}

/**
 * Robust over-fitting: robust accuracy on held-out images has been better than it is at the end (Rice, Wong & Kolter
 * 2020).
 *
 * @param epochs robust accuracy of each epoch on the validation images
 * @param options.images how many they are: a fall within twice its standard error is no finding
 * @param options.fall share of images, default 0.02
 */
export function robustOverfitting(
  epochs: readonly { readonly epoch: number; readonly accuracy: number }[],
  { images, fall = 0.02 }: { images: number; fall?: number },
): Finding | undefined {
  const last = epochs.at(-1);
  if (last === undefined) return undefined;
  const best = epochs.reduce((a, b) => (b.accuracy > a.accuracy ? b : a));
  const noise = Math.hypot(margin(best.accuracy, images), margin(last.accuracy, images));
  if (best.accuracy - last.accuracy < Math.max(fall, noise) - 1e-9) return undefined;
  return {
    name: 'robust-overfitting',
    epoch: best.epoch,
    message: `Robust validation accuracy was highest after epoch ${best.epoch}, ${percent(best.accuracy)}, and fell to ${percent(last.accuracy)} by epoch ${last.epoch}: robust over-fitting. Keep the best epoch, train for fewer epochs, or average the weights.`,
  };
}
