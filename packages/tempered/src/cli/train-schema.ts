/** @file The configuration of `tempered train`: what a JSON file may hold, and the defaults. docs/training.md explains it. */
import { z } from 'zod';
import { architectures } from '../models/architectures/index.ts';
import { names, numbers, record, variant } from './schema.ts';
import { methodSchema, normSchema, timeUnitSchema } from './train-method.ts';

const { fraction, positive, whole, count, share } = numbers;

const timing = {
  unit: timeUnitSchema.optional(),
  each: names('step', 'epoch').optional(),
  warmup: fraction.optional(),
};

const schedule = variant('schedule', [
  record({ name: z.literal('constant'), ...timing }),
  record({ name: z.literal('step'), period: positive.optional(), factor: positive.optional(), ...timing }),
  record({
    name: z.literal('multi-step'),
    milestones: z.array(fraction).optional(),
    factor: positive.optional(),
    ...timing,
  }),
  record({ name: z.literal('exponential'), factor: positive.optional(), ...timing }),
  record({ name: z.literal('cosine'), period: positive.optional(), floor: share.optional(), ...timing }),
  record({
    name: z.literal('cyclic'),
    period: positive.optional(),
    peak: share.optional(),
    floor: share.optional(),
    ...timing,
  }),
  record({
    name: z.literal('one-cycle'),
    rise: share.optional(),
    start: share.optional(),
    end: share.optional(),
    ...timing,
  }),
]);

const moments = {
  beta1: share.default(0.9),
  beta2: share.default(0.999),
  epsilon: positive.default(1e-8),
};

const optimizer = variant('optimizer', [
  record({
    name: z.literal('sgd'),
    momentum: share.default(0.9),
    nesterov: z.boolean().default(false),
    weightDecay: fraction.default(0),
  }),
  record({ name: z.literal('adam'), ...moments, weightDecay: fraction.default(0) }),
  record({ name: z.literal('adamw'), ...moments, weightDecay: fraction.default(0.01) }),
]);

const augmentation = record({
  padding: whole.default(0),
  flip: z.boolean().default(false),
  color: record({
    brightness: share.default(0),
    contrast: share.default(0),
    saturation: share.default(0),
  }).prefault({}),
  rotation: fraction.default(0),
  cutout: whole.default(0),
});

const validation = record({
  /** Of the training images; at most a fifth of them. 0: no validation. */
  count: whole.default(500),
  /** Default: that of the training method, or 8/255. */
  epsilon: fraction.optional(),
  norm: normSchema.optional(),
  steps: count.default(10),
  stepSize: positive.optional(),
});

export const configurationSchema = record({
  data: z.string().default('shapes'),
  dataDir: z.string().optional(),
  count: count.optional(),
  size: count.optional(),
  architecture: names(...(Object.keys(architectures) as (keyof typeof architectures)[])).default('small-cnn'),
  init: z.string().optional(),
  /** Default: where the classes of `init` are others than those of the data. */
  newHead: z.boolean().optional(),
  freeze: z.boolean().default(false),
  mean: z.array(z.number()).optional(),
  std: z.array(positive).optional(),
  inputShape: z.array(count).optional(),
  modelOutput: z.string().optional(),
  method: methodSchema.prefault('standard'),
  epochs: count.default(5),
  batchSize: count.default(100),
  optimizer: optimizer.prefault('adam'),
  learningRate: positive.default(0.002),
  schedule: schedule.prefault('cosine'),
  clipping: record({ name: names('value', 'norm'), limit: positive }).optional(),
  labelSmoothing: share.default(0),
  averaging: record({
    decay: share.default(0.999),
    start: fraction.default(0),
    unit: timeUnitSchema.default('share'),
  }).optional(),
  augmentation: augmentation.prefault({}),
  validation: validation.prefault({}),
  selection: names('natural', 'robust', 'mean', 'last').optional(),
  seed: whole.default(0),
});

/** A checked configuration, defaults filled in. It is a configuration file itself. */
export type TrainConfiguration = z.output<typeof configurationSchema>;
