/** @file The configuration of `tempered roar`: what a JSON file may hold. What it leaves out is as for the data set. */
import { z } from 'zod';
import { RANKED } from '../evaluation/roar/heat-map.ts';
import { architectures } from '../models/architectures/index.ts';
import { ROAR_LOSSES, ROAR_METHODS, ROAR_PROTOCOLS } from '../report/roar-result.ts';
import { type RoarConfiguration, roarConfiguration } from '../study/roar/configuration.ts';
import { names, numbers, record } from './schema.ts';

const { fraction, positive, whole, count, share } = numbers;

const radii = z.array(positive);
const step = z.union([record({ absolute: positive }), record({ relative: positive })]);
const some = <Schema extends z.ZodType>(item: Schema) => z.array(item).min(1, 'must name one or more');

const schema = record({
  data: z.string().optional(),
  size: count.optional(),
  architecture: names(...(Object.keys(architectures) as (keyof typeof architectures)[])).optional(),
  trainCount: count.optional(),
  testCount: count.optional(),
  strengths: record({ l2: radii.optional(), linf: radii.optional() }).optional(),
  losses: some(names(...ROAR_LOSSES)).optional(),
  modelEpochs: count.optional(),
  adversarial: record({
    steps: count.optional(),
    stepSize: record({ l2: step.optional(), linf: step.optional() }).optional(),
    randomStart: z.boolean().optional(),
    warmup: share.optional(),
  }).optional(),
  training: record({
    epochs: count.optional(),
    batchSize: count.optional(),
    learningRate: positive.optional(),
    schedule: names('constant', 'cosine').optional(),
  }).optional(),
  evaluation: record({
    epsilon: fraction.optional(),
    steps: count.optional(),
    stepSize: positive.optional(),
  }).optional(),
  methods: some(names(...ROAR_METHODS)).optional(),
  percentiles: some(positive).optional(),
  protocols: some(names(...ROAR_PROTOCOLS)).optional(),
  repeats: count.optional(),
  seeds: count.optional(),
  ranked: names(...RANKED).optional(),
  sampleCount: whole.optional(),
  seed: whole.optional(),
});

export const roarSchema = schema;

/** The settings of a file over those of its data set. */
export function withSettings({ data, seed, ...given }: z.output<typeof schema>): RoarConfiguration {
  const base = roarConfiguration(data ?? 'shapes', seed);
  const { strengths, adversarial, training, evaluation, ...plain } = given;
  return {
    ...base,
    ...plain,
    strengths: { ...base.strengths, ...strengths },
    adversarial: {
      ...base.adversarial,
      ...adversarial,
      stepSize: { ...base.adversarial.stepSize, ...adversarial?.stepSize },
    },
    training: { ...base.training, ...training },
    evaluation: { ...base.evaluation, ...evaluation },
  };
}
