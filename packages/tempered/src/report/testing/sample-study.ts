/** @file A study as it might come out, made up entirely by code: numbers from formulas, pictures drawn pixel by pixel. */

import { maskOutline } from '../../image/mask-outline.ts';
import { encodeAnimation, encodePng } from '../../image/node/encode.ts';
import { renderAttribution, renderImage, renderPerturbation } from '../../image/render.ts';
import type { Tensor } from '../../tensor.ts';
import { dataUri } from '../data-uri.ts';
import type {
  AccuracyResult,
  EpochResult,
  ModelExample,
  ModelName,
  ModelResult,
  Prediction,
  StudyResult,
} from '../study-result.ts';

const SIZE = 32;
const CLASSES = ['circle', 'square', 'triangle', 'star', 'cross', 'ring', 'heart', 'arrow', 'crescent', 'bolt'];
const METHODS = ['Gradient', 'SmoothGrad', 'Integrated gradients'];
const EPSILONS = [0, 1, 2, 4, 8, 12, 16].map((k) => k / 255);

type Shape = (x: number, y: number) => boolean;

const SHAPES: Readonly<Record<string, Shape>> = {
  circle: (x, y) => Math.hypot(x, y) < 0.6,
  square: (x, y) => Math.max(Math.abs(x), Math.abs(y)) < 0.52,
  ring: (x, y) => Math.abs(Math.hypot(x, y) - 0.48) < 0.17,
  cross: (x, y) => Math.min(Math.abs(x), Math.abs(y)) < 0.18 && Math.max(Math.abs(x), Math.abs(y)) < 0.62,
  star: (x, y) => Math.hypot(x, y) < 0.42 + 0.2 * Math.cos(5 * (Math.atan2(y, x) + Math.PI / 2)),
  heart: (x, y) => (x * x + y * y - 0.3) ** 3 + x * x * y * y * y < 0,
};

/** The same in [0, 1] for the same arguments, and much like chance otherwise. */
function noise(a: number, b: number, c = 0): number {
  const value = Math.sin(a * 12.9898 + b * 78.233 + c * 37.719) * 43758.5453;
  return value - Math.floor(value);
}

function planes(channels: number, value: (x: number, y: number, channel: number) => number): Tensor {
  const data = new Float32Array(channels * SIZE * SIZE);
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < SIZE; y++) for (let x = 0; x < SIZE; x++) data[(c * SIZE + y) * SIZE + x] = value(x, y, c);
  return { shape: [1, channels, SIZE, SIZE], data };
}

const centred = (pixel: number): number => (2 * pixel + 1) / SIZE - 1;

const isInside = (name: string, x: number, y: number): boolean => SHAPES[name]!(centred(x), centred(y));

const background = [0.35, 0.45, 0.62];
const foreground: Readonly<Record<string, readonly number[]>> = {
  circle: [0.9, 0.75, 0.3],
  square: [0.75, 0.3, 0.3],
  ring: [0.85, 0.85, 0.8],
  cross: [0.3, 0.65, 0.45],
  star: [0.95, 0.6, 0.35],
  heart: [0.85, 0.4, 0.55],
};

/** A mixture of two shapes: `mix` 0 is all of the first. */
function picture(name: string, other = name, mix = 0): Tensor {
  return planes(3, (x, y, c) => {
    const shade = (shape: string) => (isInside(shape, x, y) ? foreground[shape]![c]! : background[c]!);
    const texture = 0.12 * (noise(x, y, c) - 0.5) + 0.08 * Math.sin((x + 2 * y) / 3);
    return Math.min(1, Math.max(0, (1 - mix) * shade(name) + mix * shade(other) + texture));
  });
}

function perturb(image: Tensor, model: ModelName, name: string, epsilon: number): Tensor {
  return planes(3, (x, y, c) => {
    const signed =
      model === 'robust'
        ? isInside(name, x, y) !== isInside(name, x + 3, y + 1)
          ? 1
          : 0.4 * Math.sin((x - y) / 4)
        : noise(x, y, 7 + c) > 0.5
          ? 1
          : -1;
    const value = image.data[(c * SIZE + y) * SIZE + x]! + epsilon * signed;
    return Math.min(1, Math.max(0, value));
  });
}

function attribution(model: ModelName, name: string, method: number): Tensor {
  const calm = model === 'robust' ? 0.25 : 1 - 0.25 * method;
  return planes(3, (x, y, c) => {
    const edge = isInside(name, x, y) !== isInside(name, x - 1, y - 1) ? 1 : 0;
    const inside = isInside(name, x, y) ? 0.35 : -0.05;
    const signal = model === 'robust' ? edge + inside : 0.25 * (edge + inside);
    return (signal + calm * (noise(x, y, 3 * c + method) - 0.5)) * (model === 'robust' ? 0.04 : 0.3);
  });
}

const png = async (image: Tensor): Promise<string> => dataUri(await encodePng(renderImage(image)), 'image/png');

async function modelExample(model: ModelName, name: string, wrong: string, image: Tensor): Promise<ModelExample> {
  const adversarial = perturb(image, model, name, 8 / 255);
  const said: Prediction =
    model === 'robust' ? { label: name, probability: 0.617 } : { label: wrong, probability: 0.99987 };
  const attributions = METHODS.map(async (method, i) => {
    const { bitmap, clip, positiveShare } = renderAttribution(attribution(model, name, i));
    return { method, picture: dataUri(await encodePng(bitmap), 'image/png'), clip, positiveShare };
  });
  return {
    prediction: { label: name, probability: model === 'robust' ? 0.874 : 0.9998 },
    adversarial: { picture: await png(adversarial), prediction: said },
    perturbation: dataUri(await encodePng(renderPerturbation(image, adversarial)), 'image/png'),
    attributions: await Promise.all(attributions),
  };
}

/** A share with the normal approximation of its interval: close enough for a made-up study. */
function share(accuracy: number, count: number): AccuracyResult {
  const correct = Math.round(accuracy * count);
  const value = correct / count;
  const half = 1.96 * Math.sqrt((value * (1 - value)) / count) + 0.5 / count;
  return { correct, count, accuracy: value, lower: Math.max(0, value - half), upper: Math.min(1, value + half) };
}

function interval(mean: number): { mean: number; lower: number; upper: number } {
  return { mean, lower: mean - 0.021, upper: mean + 0.021 };
}

const history = (model: ModelName): EpochResult[] =>
  Array.from({ length: 12 }, (_, i) => {
    const progress = 1 - Math.exp(-(i + 1) / 3);
    const isRobust = model === 'robust';
    return {
      epoch: i + 1,
      loss: (isRobust ? 2.3 : 2.1) - (isRobust ? 1.25 : 2.05) * progress,
      naturalAccuracy: 0.1 + (isRobust ? 0.8 : 0.87) * progress + 0.01 * noise(i, 1),
      robustAccuracy: isRobust ? 0.1 + 0.56 * progress + 0.02 * noise(i, 2) : 0.12 * (1 - progress),
      learningRate: 0.1 * 0.5 * (1 + Math.cos((Math.PI * i) / 12)),
      seconds: isRobust ? 9.3 : 1.6,
    };
  });

function model(name: ModelName): ModelResult {
  const isRobust = name === 'robust';
  const accuracy = (epsilon: number) =>
    isRobust ? 0.908 - 9.4 * epsilon : 0.962 * Math.exp(-((epsilon * 110) ** 1.4)) + 0.004;
  return {
    description: isRobust ? 'adversarial training with PGD-7 at ε = 8/255' : 'standard training',
    parameterCount: 94_410,
    history: history(name),
    underAttack: EPSILONS.map((epsilon) => ({ epsilon, ...share(accuracy(epsilon), 500) })),
    natural: share(isRobust ? 0.908 : 0.962, 2000),
    conflict: share(isRobust ? 0.901 : 0.713, 2000),
    attributions: METHODS.map((method, i) => {
      const pointing = share((isRobust ? 0.82 : 0.43) + 0.05 * i, 200);
      return {
        method,
        relevanceMass: interval((isRobust ? 0.58 : 0.31) + 0.04 * i),
        pointingGame: { ...pointing, hits: pointing.correct },
      };
    }),
    completenessError: { relative: isRobust ? 0.0031 : 0.0112, steps: 64 },
  };
}

async function walk(name: ModelName, from: string, to: string) {
  const steps = 40;
  const at = (step: number) =>
    name === 'robust'
      ? picture(from, to, step / steps)
      : perturb(picture(from), 'standard', from, (0.25 * step) / steps);
  const rate = name === 'robust' ? 0.16 : 0.7;
  const everyStep = Array.from({ length: steps + 1 }, (_, step) => step);
  const stills = everyStep.filter((step) => step % 5 === 0 && step !== 20);
  return {
    animation: dataUri(await encodeAnimation(everyStep.map((step) => renderImage(at(step)))), 'image/webp'),
    frames: await Promise.all(stills.map(async (step) => ({ step, picture: await png(at(step)) }))),
    history: everyStep.map((step) => {
      const logit = -4 + (name === 'robust' ? 14 : 62) * (1 - Math.exp((-rate * step) / 4));
      return { step, logit, probability: 1 / (1 + Math.exp(2 - logit)) };
    }),
  };
}

/** Settings of the sample that tests vary. */
export async function sampleStudy(): Promise<StudyResult> {
  const pairs = [
    ['star', 'cross'],
    ['ring', 'circle'],
    ['heart', 'star'],
  ] as const;
  const examples = pairs.map(async ([name, wrong]) => {
    const image = picture(name);
    return {
      label: name,
      picture: await png(image),
      outline: maskOutline(planes(1, (x, y) => (isInside(name, x, y) ? 1 : 0))),
      models: {
        standard: await modelExample('standard', name, wrong, image),
        robust: await modelExample('robust', name, wrong, image),
      },
    };
  });
  const largeExamples = pairs.map(async ([name, target]) => ({
    label: name,
    target,
    picture: await png(picture(name)),
    models: {
      standard: {
        picture: await png(perturb(picture(name), 'standard', name, 0.15)),
        prediction: { label: target, probability: 0.99999 },
      },
      robust: {
        picture: await png(picture(name, target, 0.7)),
        prediction: name === 'ring' ? { label: name, probability: 0.512 } : { label: target, probability: 0.941 },
      },
    },
  }));
  return {
    title: 'What adversarial training changes in a shape classifier',
    dataset: {
      name: 'shapes',
      note: 'Silhouettes with random pose, scale, colours and clutter on textured backgrounds, made from a seed; a pattern of 4/255, different for every class, agrees with the label in 90% of the training images.',
      classes: CLASSES,
      shape: [3, SIZE, SIZE],
      trainCount: 20_000,
      testCount: 2_000,
      objectShare: 0.236,
    },
    preset: 'quick',
    seed: 0,
    attack: { name: 'PGD-20', norm: 'linf', trainingEpsilon: 8 / 255 },
    models: { standard: model('standard'), robust: model('robust') },
    exampleAttack: { epsilon: 8 / 255, amplify: 10 },
    examples: await Promise.all(examples),
    largeEpsilon: { norm: 'l2', epsilon: 6, steps: 60, examples: await Promise.all(largeExamples) },
    traversal: {
      label: 'circle',
      target: 'star',
      steps: 40,
      bound: 'an ℓ₂ ball of radius 8',
      models: {
        standard: await walk('standard', 'circle', 'star'),
        robust: await walk('robust', 'circle', 'star'),
      },
    },
    protocol: [
      { name: 'Command', value: 'tempered study --data shapes --preset quick' },
      { name: 'Architecture', value: 'small CNN: 4 convolutions, global average pooling, 94,410 parameters' },
      {
        name: 'Optimiser',
        value: 'SGD, momentum 0.9, weight decay 5e-4, batch 128, cosine schedule from 0.1, 12 epochs',
      },
      { name: 'Adversarial training', value: 'PGD-7, ℓ∞, ε = 8/255, step 2/255, random start' },
      {
        name: 'Attack',
        value: 'PGD-20, ℓ∞, step ε/4, random start, 1 restart, worst iterate kept, first 500 test images',
      },
      {
        name: 'Explanations',
        value:
          'of the logit of the predicted class; SmoothGrad 25 samples, σ 0.15; integrated gradients 64 steps from black',
      },
      { name: 'Intervals', value: '95% Clopper–Pearson for shares, bootstrap for means' },
    ],
    versions: { tempered: '0.1.0', Node: '20.19.5', onnxruntime: '1.30.0', Device: 'CPU, 2 threads' },
  };
}
