/** @file What a checked configuration of `tempered train` stands for: data, the model to start from, and the options of `train`. */
import { pgd } from '../attacks/pgd.ts';
import { type Dataset, first, subset } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import { createModel } from '../models/architectures/index.ts';
import type { ModelDescription } from '../models/classifier.ts';
import { readModel } from '../models/load.ts';
import { withNewHead } from '../models/new-head.ts';
import { externalDataBeside, namingFile, readModelBytes } from '../models/node/load.ts';
import type { Norm } from '../optimize/ball.ts';
import { hashBytes } from '../runs/hash.ts';
import { adam, adamw, type Optimizer, sgd } from '../training/optimizer.ts';
import type { TrainOptions } from '../training/options.ts';
import {
  constant,
  cosine,
  cyclic,
  exponential,
  multiStep,
  oneCycle,
  type Schedule,
  step,
} from '../training/schedule.ts';
import { methodOf } from './train-method.ts';
import type { TrainConfiguration } from './train-schema.ts';

/** The radius and norm that a training is about: the method's, or else the validation's. */
export function ballOf({ method, validation }: TrainConfiguration): { norm: Norm; epsilon: number } {
  const norm = 'norm' in method ? method.norm : 'linf';
  const epsilon = 'epsilon' in method ? method.epsilon : 8 / 255;
  return { norm: validation.norm ?? norm, epsilon: validation.epsilon ?? epsilon };
}

/**
 * The model that a training starts from, and the hash of the file where it comes from one. `note` is what its reader
 * should know: that its classes got other names.
 */
export async function startingModel(
  configuration: TrainConfiguration,
  { imageShape, classes }: Dataset,
): Promise<{ model: ModelDescription; hash?: string; note?: string }> {
  const { architecture, init, freeze, newHead, method, seed, mean, std, inputShape, modelOutput } = configuration;
  if (init === undefined) {
    if (freeze || newHead !== undefined)
      throw new UsageError(`'${freeze ? 'freeze' : 'newHead'}' needs 'init', the model to start from`);
    const name = `${architecture}-${method.name}`;
    return { model: createModel({ architecture, inputShape: imageShape, classes, seed, name }) };
  }
  const bytes = await readModelBytes(init);
  const start = namingFile(init, () =>
    readModel(bytes, {
      mean,
      std,
      inputShape: inputShape ?? imageShape,
      output: modelOutput,
      externalData: externalDataBeside(init),
    }),
  );
  const isSame = start.classes.join('\n') === classes.join('\n');
  const replaced = newHead ?? !isSame;
  if (!replaced && start.classes.length !== classes.length)
    throw new UsageError(
      `${init} tells ${start.classes.length} classes apart, the data has ${classes.length}: "newHead" must not be false`,
    );
  if (!replaced && !isSame && [...start.classes].sort().join('\n') === [...classes].sort().join('\n'))
    throw new UsageError(`${init} has the classes of the data in another order: "newHead" must not be false`);
  if (freeze && !replaced)
    throw new UsageError(`"freeze" trains a new last layer only, and ${init} keeps its own: add "newHead": true`);
  const model = replaced
    ? namingFile(init, () => withNewHead(start, { classes, seed, freeze }))
    : { ...start, classes };
  const isRenamed = !replaced && !isSame && !start.classes.every((name, k) => name === String(k));
  return {
    model: { ...model, name: `${start.name}-${method.name}` },
    hash: hashBytes(bytes),
    ...(isRenamed && {
      note: `the classes of ${init} get the names of those of the data, in this order: '${start.classes[0]}' is '${classes[0]}' from here on`,
    }),
  };
}

/** What `train` takes, but for the runtime and the model. */
export function trainingOptions(
  configuration: TrainConfiguration,
  dataset: Dataset,
): Omit<TrainOptions, 'runtime' | 'model'> {
  const { epochs, batchSize, learningRate, seed, clipping, labelSmoothing, averaging, selection } = configuration;
  const { count, steps, stepSize } = configuration.validation;
  const held = Math.min(count, Math.floor(dataset.count / 5));
  const cut = dataset.count - held;
  const { norm, epsilon } = ballOf(configuration);
  const last = Uint32Array.from({ length: held }, (_, i) => cut + i);
  return {
    dataset: first(dataset, cut),
    method: methodOf(configuration.method),
    optimizer: optimizerOf(configuration.optimizer),
    schedule: scheduleOf(configuration.schedule),
    ...{ epochs, batchSize, learningRate, seed, clipping, labelSmoothing, averaging, selection },
    augmentation: augmentationOf(configuration.augmentation),
    validation:
      held === 0 ? undefined : { dataset: subset(dataset, last), attack: pgd({ norm, steps, stepSize }), epsilon },
  };
}

/** Nothing where nothing is to be varied: images are not even copied then. */
function augmentationOf(augmentation: TrainConfiguration['augmentation']): TrainOptions['augmentation'] {
  const { padding, flip, color, rotation, cutout } = augmentation;
  const isIdle = !flip && [padding, rotation, cutout, ...Object.values(color)].every((value) => value === 0);
  return isIdle ? undefined : augmentation;
}

function optimizerOf(optimizer: TrainConfiguration['optimizer']): Optimizer {
  switch (optimizer.name) {
    case 'sgd':
      return sgd(optimizer);
    case 'adam':
      return adam(optimizer);
    case 'adamw':
      return adamw(optimizer);
  }
}

function scheduleOf({ name, ...options }: TrainConfiguration['schedule']): Schedule {
  const makers = {
    constant,
    step,
    'multi-step': multiStep,
    exponential,
    cosine,
    cyclic,
    'one-cycle': oneCycle,
  } satisfies Record<Schedule['name'], (options: never) => Schedule>;
  const make: (options: object) => Schedule = makers[name];
  return make(options);
}
