/** @file What a study of ROAR and KAR does, as plain data, and the settings by data set. */
import type { StepSize } from '../../attacks/pgd.ts';
import type { Ranked } from '../../evaluation/roar/heat-map.ts';
import type { ArchitectureName } from '../../models/architectures/index.ts';
import {
  ROAR_LOSSES,
  ROAR_METHODS,
  ROAR_PROTOCOLS,
  type RoarLoss,
  type RoarMethod,
  type RoarNorm,
  type RoarProtocol,
} from '../../report/roar-result.ts';

/** Every setting of the study that changes its result. Radii and steps are in pixel units, on a scale of [0, 1]. */
export interface RoarConfiguration {
  readonly data: string;
  /** Pixels along each side; only folders and archives of pictures are resized. */
  readonly size?: number;
  /** Of the models that are explained, and of those that are trained on occluded images. */
  readonly architecture: ArchitectureName;
  /** The first images of each split; undefined for all. */
  readonly trainCount?: number;
  readonly testCount?: number;
  /** Radii of adversarial training, rising. One model each, and loss. */
  readonly strengths: Readonly<Record<RoarNorm, readonly number[]>>;
  readonly losses: readonly RoarLoss[];
  /** Of the models that are explained, standard and robust alike: fewer would be another handicap beside the attack. */
  readonly modelEpochs: number;
  /** Of the adversarial trainings; the rest is as in `training`. */
  readonly adversarial: {
    readonly steps: number;
    readonly stepSize: Readonly<Record<RoarNorm, StepSize>>;
    readonly randomStart: boolean;
    /** Share of the training over which the radius grows from 0. */
    readonly warmup: number;
  };
  /** Of all networks; the epochs are of those that are trained on occluded images. */
  readonly training: {
    readonly epochs: number;
    readonly batchSize: number;
    readonly learningRate: number;
    readonly schedule: 'constant' | 'cosine';
  };
  /** The attack under which the models' robust accuracy is measured, ℓ₂. */
  readonly evaluation: { readonly epsilon: number; readonly steps: number; readonly stepSize: number };
  readonly methods: readonly RoarMethod[];
  /** Shares of the pixels that ROAR removes and KAR keeps, in per cent, rising. */
  readonly percentiles: readonly number[];
  readonly protocols: readonly RoarProtocol[];
  /** Trainings for each point of the published protocol. */
  readonly repeats: number;
  /** Seeds of the repaired protocol. */
  readonly seeds: number;
  /** What the repaired protocol ranks. */
  readonly ranked: Ranked;
  /** Test images shown. */
  readonly sampleCount: number;
  readonly seed: number;
}

type Settings = Omit<RoarConfiguration, 'data' | 'seed'>;

/** `count` radii at equal distances, as in the sweep of Kim et al. 2019. */
const sweep = (largest: number, count: number): number[] =>
  // In decimals as people write them: 0.15, not 0.15000000000000002.
  Array.from({ length: count }, (_, i) => Number(((largest * (i + 1)) / count).toPrecision(12)));

/** Sized for half an hour on two cores. */
const SMALL = {
  architecture: 'strided-cnn',
  trainCount: 2000,
  testCount: 1000,
  losses: ['xent'],
  modelEpochs: 10,
  // Without a warm-up, so few images and epochs end at chance under the stronger attacks.
  adversarial: {
    steps: 4,
    stepSize: { l2: { relative: 0.625 }, linf: { relative: 0.625 } },
    randomStart: false,
    warmup: 0.5,
  },
  training: { epochs: 5, batchSize: 50, learningRate: 0.003, schedule: 'cosine' },
  methods: ROAR_METHODS,
  percentiles: [10, 30, 50, 70, 90],
  protocols: ROAR_PROTOCOLS,
  repeats: 3,
  seeds: 3,
  ranked: 'pixel',
  sampleCount: 3,
} as const satisfies Partial<Settings>;

/** §1.2, 1.3 and 1.8 of the study: 81 models. Weeks on a CPU. Their scale is [−1, 1], twice ours. */
const PUBLISHED_CIFAR: Settings = {
  ...SMALL,
  architecture: 'cifar-cnn',
  trainCount: undefined,
  testCount: undefined,
  strengths: { l2: sweep(0.8, 20), linf: sweep(0.02, 20) },
  losses: ROAR_LOSSES,
  modelEpochs: 20,
  adversarial: {
    steps: 40,
    stepSize: { l2: { absolute: 1 }, linf: { absolute: 0.01 } },
    randomStart: false,
    warmup: 0,
  },
  training: { epochs: 20, batchSize: 100, learningRate: 0.001, schedule: 'constant' },
  evaluation: { epsilon: 0.2, steps: 40, stepSize: 1 },
};

const SETTINGS: Readonly<Record<string, Settings>> = {
  shapes: {
    ...SMALL,
    strengths: { l2: sweep(1, 4), linf: [2, 4, 6, 8].map((level) => level / 255) },
    evaluation: { epsilon: 0.5, steps: 20, stepSize: 0.1 },
  },
  mnist: {
    ...SMALL,
    training: { ...SMALL.training, epochs: 4 },
    strengths: { l2: sweep(2, 4), linf: sweep(0.2, 4) },
    evaluation: { epsilon: 1, steps: 20, stepSize: 0.2 },
  },
  'fashion-mnist': {
    ...SMALL,
    strengths: { l2: sweep(1, 4), linf: sweep(0.1, 4) },
    evaluation: { epsilon: 0.5, steps: 20, stepSize: 0.1 },
  },
  cifar10: PUBLISHED_CIFAR,
  pictures: {
    ...SMALL,
    size: 32,
    strengths: { l2: sweep(0.8, 4), linf: [2, 4, 6, 8].map((level) => level / 255) },
    evaluation: { epsilon: 0.4, steps: 20, stepSize: 0.1 },
  },
};

/**
 * The settings for a data set; any name that is not one is taken for a folder or archive of pictures. Those of `cifar10` are
 * the study's own.
 */
export function roarConfiguration(data: string, seed = 0): RoarConfiguration {
  return { data, seed, ...(SETTINGS[data] ?? SETTINGS.pictures!) };
}
