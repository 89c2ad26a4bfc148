/** @file UAR: how robust a classifier is to an attack that it was not trained for, on a scale set by those that were. */
import type { Attack } from '../attacks/attack.ts';
import { pgd } from '../attacks/pgd.ts';
import { targeted } from '../attacks/targeted.ts';
import { elastic } from '../attacks/unforeseen/elastic.ts';
import { fog } from '../attacks/unforeseen/fog.ts';
import { frankWolfeL1 } from '../attacks/unforeseen/frank-wolfe-l1.ts';
import { gabor } from '../attacks/unforeseen/gabor.ts';
import { jpeg } from '../attacks/unforeseen/jpeg.ts';
import { snow } from '../attacks/unforeseen/snow.ts';
import { UsageError } from '../errors.ts';
import type { Classifier } from '../models/classifier.ts';
import { type AccuracyAtEpsilon, type AccuracyUnderAttackOptions, accuracyUnderAttack } from './accuracy.ts';

export type CalibratedAttack =
  | 'linf'
  | 'l2'
  | 'l1'
  | 'jpeg-linf'
  | 'jpeg-l2'
  | 'jpeg-l1'
  | 'elastic'
  | 'fog'
  | 'gabor'
  | 'snow';

export type CalibrationName = 'imagenet100' | 'cifar10';

/** Six strengths, and at each the best accuracy of any adversarially trained model (ATA). */
export interface Calibration {
  /** As published: of images with pixels from 0 to 255. */
  readonly epsilons: readonly number[];
  /** In percent. */
  readonly ata: readonly number[];
}

/**
 * The published calibrations: ResNet-50 on ImageNet-100 (224 × 224), ResNet-56 on CIFAR-10. Kang et al. 2019, "Testing
 * Robustness Against Unforeseen Adversaries"; the strengths of JPEG l2 on CIFAR-10 are those of its code.
 */
export const unforeseenCalibrations: Readonly<
  Record<CalibrationName, Readonly<Partial<Record<CalibratedAttack, Calibration>>>>
> = {
  imagenet100: {
    linf: { epsilons: [1, 2, 4, 8, 16, 32], ata: [84.6, 82.1, 76.2, 66.9, 40.1, 12.9] },
    l2: { epsilons: [150, 300, 600, 1200, 2400, 4800], ata: [85.0, 83.5, 79.6, 72.6, 59.1, 19.9] },
    l1: { epsilons: [9562.5, 19125, 76500, 153000, 306000, 612000], ata: [84.4, 82.7, 76.3, 68.9, 56.4, 36.1] },
    'jpeg-linf': { epsilons: [0.0625, 0.125, 0.25, 0.5, 1, 2], ata: [85.0, 83.2, 79.3, 72.8, 34.8, 1.1] },
    'jpeg-l2': { epsilons: [8, 16, 32, 64, 128, 256], ata: [84.8, 82.5, 78.9, 72.3, 47.5, 3.4] },
    'jpeg-l1': { epsilons: [256, 1024, 4096, 16384, 65536, 131072], ata: [84.8, 81.8, 76.2, 67.1, 46.4, 41.8] },
    elastic: { epsilons: [0.25, 0.5, 2, 4, 8, 16], ata: [85.9, 83.2, 78.1, 75.6, 57.0, 22.5] },
    fog: { epsilons: [128, 256, 512, 2048, 4096, 8192], ata: [85.8, 83.8, 79.0, 68.4, 67.9, 64.7] },
    gabor: { epsilons: [6.25, 12.5, 25, 400, 800, 1600], ata: [84.0, 79.8, 79.8, 66.2, 44.7, 14.6] },
    snow: { epsilons: [0.0625, 0.125, 0.25, 2, 4, 8], ata: [84.0, 81.1, 77.7, 65.6, 59.5, 41.2] },
  },
  cifar10: {
    linf: { epsilons: [1, 2, 4, 8, 16, 32], ata: [91.0, 87.8, 81.6, 71.3, 46.5, 23.1] },
    l2: { epsilons: [40, 80, 160, 320, 640, 2560], ata: [90.1, 86.4, 79.6, 67.3, 49.9, 17.3] },
    l1: { epsilons: [195, 390, 780, 1560, 6240, 24960], ata: [92.2, 90.0, 83.2, 73.8, 47.4, 35.3] },
    'jpeg-linf': { epsilons: [0.03125, 0.0625, 0.125, 0.25, 0.5, 1], ata: [89.7, 87.0, 83.1, 78.6, 69.7, 35.4] },
    'jpeg-l2': { epsilons: [0.25, 0.5, 1, 2, 4, 8], ata: [92.2, 91.0, 88.4, 85.8, 81.2, 72.0] },
    'jpeg-l1': { epsilons: [2, 8, 64, 256, 512, 1024], ata: [91.4, 88.1, 80.2, 68.9, 56.3, 37.7] },
    elastic: { epsilons: [0.125, 0.25, 0.5, 1, 2, 8], ata: [87.4, 81.3, 72.1, 58.2, 45.4, 27.8] },
  },
};

/** Published strengths in the units of our attacks: lengths in pixel values shrink with the pixels' range. */
const UNITS: Readonly<Record<CalibratedAttack, number>> = {
  linf: 1 / 255,
  l2: 1 / 255,
  l1: 1 / 255,
  'jpeg-linf': 1,
  'jpeg-l2': 1,
  'jpeg-l1': 1,
  elastic: 1,
  fog: 1 / 255,
  gabor: 1 / 255,
  snow: 1,
};

/** The six strengths of a calibrated attack as `perturb` takes them. */
export function calibratedEpsilons(attack: CalibratedAttack, calibration: CalibrationName): number[] {
  return calibrationOf(attack, calibration).epsilons.map((epsilon) => epsilon * UNITS[attack]);
}

/** The attack as calibrated: toward a random wrong class, 200 steps of ε/√200 (fog, gabor and snow: of 0.002236). */
export function calibratedAttack(attack: CalibratedAttack, steps = 200): Attack {
  return ATTACKS[attack](steps);
}

const ATTACKS: Readonly<Record<CalibratedAttack, (steps: number) => Attack>> = {
  linf: (steps) => targeted(pgd({ norm: 'linf', steps, stepSize: { relative: 1 / Math.sqrt(steps) } }), 'random'),
  l2: (steps) => targeted(pgd({ norm: 'l2', steps, stepSize: { relative: 1 / Math.sqrt(steps) } }), 'random'),
  l1: (steps) => frankWolfeL1({ steps }),
  'jpeg-linf': (steps) => jpeg({ steps, coefficientNorm: 'linf' }),
  'jpeg-l2': (steps) => jpeg({ steps, coefficientNorm: 'l2' }),
  'jpeg-l1': (steps) => jpeg({ steps, coefficientNorm: 'l1' }),
  elastic: (steps) => elastic({ steps }),
  fog: (steps) => fog({ steps }),
  gabor: (steps) => gabor({ steps }),
  snow: (steps) => snow({ steps }),
};

function calibrationOf(attack: CalibratedAttack, calibration: CalibrationName): Calibration {
  const known = unforeseenCalibrations[calibration];
  const found = known[attack];
  if (found === undefined)
    throw new UsageError(
      `there is no calibration of '${attack}' for ${calibration}: choose from ${Object.keys(known).join(', ')}`,
    );
  return found;
}

export interface UnforeseenAttackRobustnessOptions {
  /** Accuracy under the attack at each of the six strengths, in [0, 1]. */
  accuracies: readonly number[];
  attack: CalibratedAttack;
  calibration: CalibrationName;
}

/**
 * UAR = Σ accuracies / Σ ATA over the six calibrated strengths: 1 for a model as robust as those trained against the
 * attack (papers print it times 100). Kang et al. 2019, §4.
 *
 * @throws UsageError for an attack without calibration, or unless there are six accuracies in [0, 1]
 */
export function unforeseenAttackRobustness({
  accuracies,
  attack,
  calibration,
}: UnforeseenAttackRobustnessOptions): number {
  const { epsilons, ata } = calibrationOf(attack, calibration);
  if (accuracies.length !== epsilons.length || !accuracies.every((accuracy) => accuracy >= 0 && accuracy <= 1))
    throw new UsageError(
      `UAR needs ${epsilons.length} accuracies in [0, 1], one for each strength of '${attack}', not [${accuracies.join(', ')}]`,
    );
  const sum = (list: readonly number[]) => list.reduce((total, value) => total + value, 0);
  return (100 * sum(accuracies)) / sum(ata);
}

export interface EvaluateUnforeseenOptions extends Omit<AccuracyUnderAttackOptions, 'attack' | 'epsilons'> {
  attack: CalibratedAttack;
  calibration: CalibrationName;
  /** Default 200, as calibrated. */
  steps?: number;
}

/**
 * Attacks a data set at the six calibrated strengths. Images that are wrong without attack count as wrong, as everywhere
 * here; the original counts the few that an attack puts right.
 *
 * @throws UsageError for an attack without calibration or a data set that does not fit
 * @example const { uar } = await evaluateUnforeseen(classifier, { dataset, attack: 'elastic', calibration: 'cifar10' });
 */
export async function evaluateUnforeseen(
  classifier: Classifier,
  { attack, calibration, steps, ...options }: EvaluateUnforeseenOptions,
): Promise<{ uar: number; underAttack: AccuracyAtEpsilon[] }> {
  const underAttack = await accuracyUnderAttack(classifier, {
    ...options,
    attack: calibratedAttack(attack, steps),
    epsilons: calibratedEpsilons(attack, calibration),
  });
  const accuracies = underAttack.map(({ accuracy }) => accuracy);
  return { uar: unforeseenAttackRobustness({ accuracies, attack, calibration }), underAttack };
}
