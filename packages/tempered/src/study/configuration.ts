/** @file What a study does, as plain data, and the presets by data set. */
import type { ArchitectureName } from '../models/architectures/index.ts';
import type { Norm } from '../optimize/ball.ts';

export type Preset = 'quick' | 'full';

/** Every setting of a study that changes its result. Both models are trained under the same seed, schedule and budget of epochs. */
export interface StudyConfiguration {
  readonly data: string;
  readonly preset: Preset;
  readonly seed: number;
  /** Pixels along each side; only folders and archives of pictures are resized. */
  readonly size?: number;
  readonly architecture: ArchitectureName;
  /** Training images used, of those there are; undefined for all. */
  readonly trainCount?: number;
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** Random crops with this many pixels of padding. */
  readonly padding: number;
  /** Random horizontal flips. */
  readonly flip: boolean;
  readonly norm: Norm;
  /** ε of adversarial training, in pixel units. */
  readonly trainingEpsilon: number;
  /** PGD steps of adversarial training. */
  readonly trainingSteps: number;
  /** Fraction of the training over which ε grows from 0. */
  readonly warmup: number;
  /** Training images held out to choose the best epoch. */
  readonly validationCount: number;
  /** Multiples of the training ε at which accuracy is measured. */
  readonly epsilonFactors: readonly number[];
  readonly evaluationSteps: number;
  /** Test images attacked. */
  readonly attackedCount: number;
  /** Test images whose attributions are measured. */
  readonly explainedCount: number;
  readonly samples: number;
  readonly sigma: number;
  readonly pathSteps: number;
  /** Images shown. */
  readonly exampleCount: number;
  /** ℓ₂ radius of the targeted attack that is large enough to repaint the image, and its steps. */
  readonly largeEpsilon: number;
  readonly largeSteps: number;
  /** Steps of the class traversal and their ℓ₂ length. */
  readonly traversalSteps: number;
  readonly traversalStepSize: number;
}

type Settings = Omit<StudyConfiguration, 'data' | 'preset' | 'seed'>;

const COMMON = {
  batchSize: 100,
  padding: 0,
  flip: false,
  norm: 'linf',
  warmup: 0.3,
  epsilonFactors: [0, 0.25, 0.5, 0.75, 1, 1.5, 2],
  evaluationSteps: 20,
  samples: 50,
  sigma: 0.15,
  pathSteps: 50,
  exampleCount: 5,
  largeSteps: 60,
  traversalSteps: 120,
} as const satisfies Partial<Settings>;

const QUICK = { ...COMMON, validationCount: 500, attackedCount: 500, explainedCount: 200 } as const;
const FULL = { ...COMMON, validationCount: 1000, attackedCount: 1000, explainedCount: 500 } as const;

const COLOR = { trainingEpsilon: 8 / 255, largeEpsilon: 6, traversalStepSize: 0.1 } as const;
const GREY = { largeEpsilon: 8, traversalStepSize: 0.2 } as const;

const GREY_QUICK = {
  ...QUICK,
  ...GREY,
  architecture: 'small-cnn',
  epochs: 4,
  learningRate: 0.002,
  trainingSteps: 5,
} as const;
const GREY_FULL = { ...FULL, ...GREY, architecture: 'mnist-cnn', epochs: 20, learningRate: 0.001 } as const;

/** By data set and preset; `pictures` is for folders and archives. */
const PRESETS: Readonly<Record<string, Readonly<Record<Preset, Settings>>>> = {
  shapes: {
    quick: { ...QUICK, ...COLOR, architecture: 'small-cnn', epochs: 5, learningRate: 0.003, trainingSteps: 3 },
    full: { ...FULL, ...COLOR, architecture: 'small-cnn', epochs: 20, learningRate: 0.003, trainingSteps: 7 },
  },
  mnist: {
    quick: { ...GREY_QUICK, trainingEpsilon: 0.2 },
    full: { ...GREY_FULL, trainingSteps: 20, trainingEpsilon: 0.3 },
  },
  'fashion-mnist': {
    quick: { ...GREY_QUICK, trainingEpsilon: 0.1 },
    full: { ...GREY_FULL, trainingSteps: 10, trainingEpsilon: 0.1 },
  },
  cifar10: {
    quick: {
      ...QUICK,
      ...COLOR,
      architecture: 'small-cnn',
      epochs: 6,
      learningRate: 0.002,
      trainingSteps: 5,
      flip: true,
    },
    full: {
      ...FULL,
      ...COLOR,
      architecture: 'cifar-resnet18',
      epochs: 30,
      learningRate: 0.001,
      trainingSteps: 7,
      padding: 4,
      flip: true,
    },
  },
  pictures: {
    quick: {
      ...QUICK,
      ...COLOR,
      size: 32,
      architecture: 'small-cnn',
      epochs: 10,
      batchSize: 50,
      learningRate: 0.002,
      trainingSteps: 5,
    },
    full: {
      ...FULL,
      ...COLOR,
      size: 64,
      architecture: 'small-cnn',
      epochs: 40,
      batchSize: 50,
      learningRate: 0.002,
      trainingSteps: 7,
      flip: true,
    },
  },
};

/** The settings of a preset for a data set; any other name is taken for a folder or archive of pictures. */
export function studyConfiguration(data: string, preset: Preset, seed = 0): StudyConfiguration {
  const settings = (PRESETS[data] ?? PRESETS.pictures!)[preset];
  return { data, preset, seed, ...settings };
}
