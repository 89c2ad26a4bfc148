/** @file The training methods as a configuration names them: their settings and defaults, and the method they stand for. */
import { z } from 'zod';
import { pgd } from '../attacks/pgd.ts';
import { type ProjectionName, projections } from '../optimize/project.ts';
import { type InterpretationMethodName, interpretationMethod } from '../training/interpretation-methods.ts';
import {
  type AttackingOptions,
  adversarial,
  fgsmRandomStart,
  free,
  mart,
  standard,
  type TrainingMethod,
  trades,
  withWeightPerturbation,
} from '../training/method.ts';
import { names, numbers, record, variant } from './schema.ts';

const { fraction, positive, count, share } = numbers;

export const timeUnitSchema = names('share', 'epochs', 'steps');

export const normSchema = names('linf', 'l2', 'l1');

const ramp = record({ from: fraction.default(0), until: fraction, unit: timeUnitSchema.default('steps') });

const weightPerturbation = record({ gamma: positive.default(0.005), ramp: ramp.optional() }).optional();

/** Settings of every method that attacks. */
const radius = { epsilon: fraction.default(8 / 255), ramp: ramp.optional() };

const GROWTH = { until: 0.3, unit: 'share' } as const;

const inner = {
  ...radius,
  norm: normSchema.default('linf'),
  stepSize: positive.optional(),
  randomStart: z.union([z.boolean(), names('ball', 'box', 'sphere')]).default(true),
  direction: names('steepest', 'sign', 'gradient').optional(),
  projection: names(...(Object.keys(projections) as ProjectionName[])).default('exact'),
  attackLoss: names('cross-entropy', 'margin').default('cross-entropy'),
  ramp: ramp.prefault(GROWTH),
  gaussianStart: fraction.optional(),
  batchNorm: names('evaluation', 'training', 'training, moving statistics').default('evaluation'),
  keep: names('last', 'before-last', 'batch').default('last'),
  weightPerturbation,
};

const discrepancy = {
  lambda: fraction.default(0.01),
  lambdaRamp: ramp.optional(),
  form: names('code', 'paper').default('code'),
};

/** Attack of the studies of Boopathy et al. on MNIST. */
const studied = {
  ...inner,
  epsilon: fraction.default(0.3),
  steps: count.default(40),
  stepSize: positive.default(0.01),
};

/** By the name in a configuration; their TRADES has one attack and start with the other nine, and β = 1. */
const STUDIED = {
  normal: 'normal',
  adv: 'adv',
  'trades-kl': 'trades',
  int: 'int',
  'int-adv': 'int-adv',
  'int-one-class': 'int-one-class',
  int2: 'int2',
  'int2-adv': 'int2-adv',
  'ig-norm': 'ig-norm',
  'ig-norm-sum': 'ig-norm-sum',
} as const satisfies Record<string, InterpretationMethodName>;

const variants = [
  record({ name: z.literal('standard'), weightPerturbation }),
  record({
    name: z.literal('adversarial'),
    ...inner,
    steps: count.default(7),
    batches: names('all', 'alternating').default('all'),
    share: share.default(1),
  }),
  record({
    name: z.literal('fgsm-random-start'),
    ...radius,
    batchNorm: inner.batchNorm,
    batches: names('all', 'alternating').default('all'),
    weightPerturbation,
  }),
  record({
    name: z.literal('free'),
    ...radius,
    replays: count.default(8),
    relativeStep: positive.default(1),
  }),
  record({ name: z.literal('trades'), ...inner, steps: count.default(10), beta: fraction.default(6) }),
  record({ name: z.literal('mart'), ...inner, steps: count.default(10), beta: fraction.default(5) }),
  record({ name: z.literal('normal'), weightPerturbation }),
  record({ name: z.literal(['adv', 'trades-kl']), ...studied }),
  record({ name: z.literal(['int', 'int-adv', 'int-one-class', 'int2', 'int2-adv']), ...studied, ...discrepancy }),
  record({ name: z.literal(['ig-norm', 'ig-norm-sum']), ...studied }),
] as const;

export const methodSchema = variant('training method', variants);

export type MethodConfiguration = z.output<(typeof variants)[number]>;

export type MethodName = MethodConfiguration['name'];

const namesOf = ({ shape }: (typeof variants)[number]): MethodName[] => [...shape.name.values];

export const METHOD_NAMES: readonly MethodName[] = variants.flatMap(namesOf);

/** Which settings a method has, beside its name. */
export const settingsOfMethod = (name: MethodName): readonly string[] =>
  variants.flatMap((each) => (namesOf(each).includes(name) ? Object.keys(each.shape) : []));

/** The training method that a configuration stands for. */
export function methodOf(configuration: MethodConfiguration): TrainingMethod {
  const method = build(configuration);
  const { weightPerturbation } = configuration as { weightPerturbation?: { gamma: number } };
  return weightPerturbation === undefined ? method : withWeightPerturbation(method, weightPerturbation);
}

function build(configuration: MethodConfiguration): TrainingMethod {
  switch (configuration.name) {
    case 'standard':
      return standard();
    case 'fgsm-random-start': {
      const { epsilon, ramp, batchNorm, batches } = configuration;
      return fgsmRandomStart({
        epsilon,
        batchNorm,
        ...(ramp && { ramp }),
        ...(batches === 'alternating' && { batches }),
      });
    }
    case 'free': {
      const { epsilon, ramp, replays, relativeStep } = configuration;
      return free({ epsilon, replays, relativeStep, ...(ramp && { ramp }) });
    }
    case 'adversarial':
      return adversarial({ ...attacking(configuration), batches: configuration.batches, share: configuration.share });
    case 'trades':
      return trades({ ...attacking(configuration), beta: configuration.beta });
    case 'mart':
      return mart({ ...attacking(configuration), beta: configuration.beta });
    case 'normal':
      return interpretationMethod('normal', { epsilon: 0 });
    default: {
      const options = attacking(configuration);
      if (!('lambda' in configuration)) return interpretationMethod(STUDIED[configuration.name], options);
      const { lambda, lambdaRamp, form } = configuration;
      return interpretationMethod(STUDIED[configuration.name], { ...options, lambda, lambdaRamp, form });
    }
  }
}

type Attacking = Extract<MethodConfiguration, { steps: number }>;

function attacking(configuration: Attacking): AttackingOptions & { attack: ReturnType<typeof pgd> } {
  const { norm, steps, stepSize, randomStart, direction, projection, attackLoss, keep } = configuration;
  const { epsilon, ramp, gaussianStart, batchNorm } = configuration;
  return {
    attack: pgd({ norm, steps, stepSize, randomStart, direction, projection, loss: attackLoss, keep }),
    epsilon,
    ramp,
    batchNorm,
    // Methods with a default of their own would lose it to a key that is there and undefined.
    ...(gaussianStart !== undefined && { gaussianStart }),
  };
}
