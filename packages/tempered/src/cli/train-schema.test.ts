import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { pgd } from '../attacks/pgd.ts';
import { UsageError } from '../errors.ts';
import { interpretationMethod } from '../training/interpretation-methods.ts';
import {
  adversarial,
  checkMethod,
  fgsmRandomStart,
  free,
  mart,
  standard,
  type TrainingMethod,
  trades,
  withWeightPerturbation,
} from '../training/method.ts';
import { parseConfiguration } from './schema.ts';
import { METHOD_NAMES, methodOf } from './train-method.ts';
import { configurationSchema } from './train-schema.ts';

const parse = (value: unknown) => parseConfiguration(configurationSchema, value, 'a.json');

const EXAMPLES = new URL('../../../../examples/training/', import.meta.url);

/** Every setting there is. */
const FULL = {
  ...{ data: 'mnist', dataDir: 'data', count: 1000, size: 32, architecture: 'gap-small' },
  ...{
    init: 'a.onnx',
    newHead: true,
    freeze: true,
    mean: [0.5],
    std: [0.25],
    inputShape: [1, 28, 28],
    modelOutput: 'y',
  },
  method: {
    name: 'int2-adv',
    ...{ norm: 'linf', epsilon: '3/10', steps: 40, stepSize: 0.01, randomStart: 'box', attackLoss: 'margin' },
    ...{ direction: 'sign', projection: 'ball-then-box' },
    ramp: { from: 2000, until: 10_000 },
    ...{ gaussianStart: 0.001, batchNorm: 'training, moving statistics', keep: 'batch' },
    ...{ lambda: 0.01, lambdaRamp: { until: 0.5, unit: 'share' }, form: 'paper' },
    weightPerturbation: { gamma: 0.01, ramp: { from: 5, until: 5, unit: 'epochs' } },
  },
  ...{ epochs: 100, batchSize: 50, seed: 3, learningRate: 1e-4, labelSmoothing: 0.1, selection: 'robust' },
  optimizer: { name: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
  schedule: { name: 'cosine', period: 200, floor: 0.1, unit: 'epochs', each: 'epoch', warmup: 5 },
  clipping: { name: 'value', limit: 0.1 },
  averaging: { decay: 0.999, start: 0.5, unit: 'share' },
  augmentation: {
    ...{ padding: 4, flip: true, rotation: 2, cutout: 8 },
    color: { brightness: 0.25, contrast: 0.25, saturation: 0.25 },
  },
  validation: { count: 1000, norm: 'l2', epsilon: 0.5, steps: 20, stepSize: 0.1 },
};

describe('a configuration', () => {
  it('may be that of docs/training.md', async () => {
    const text = await readFile(new URL('../../../../docs/training.md', import.meta.url), 'utf8');
    const [, example] = /```json\n([\s\S]*?)```/.exec(text)!;
    expect(parse(JSON.parse(example!))).toMatchObject({ architecture: 'cifar-resnet18', epochs: 100 });
  });

  it.each(readdirSync(EXAMPLES))('may be examples/training/%s', async (name) => {
    const settings: object = JSON.parse(await readFile(new URL(name, EXAMPLES), 'utf8'));
    expect(name).toMatch(/\.json$/);
    const { learningRate, method } = parse(settings);
    expect(learningRate).toBeGreaterThan(0);
    expect(checkMethod(methodOf(method))).toBeUndefined();
  });

  it('is complete after it was checked, and may be checked again', () => {
    for (const value of [{}, FULL, { method: 'trades', optimizer: 'adamw', schedule: 'one-cycle' }]) {
      const checked = parse(value);
      expect(parse(JSON.parse(JSON.stringify(checked)))).toEqual(checked);
    }
    expect(parse(FULL)).toMatchObject({
      ...FULL,
      method: { ...FULL.method, epsilon: 0.3, ramp: { from: 2000, until: 10_000, unit: 'steps' } },
    });
  });

  it.each<[string, unknown, string]>([
    ['no object', [], 'a.json: must be an object, not []'],
    ['a mistyped setting', { optimiser: 'adam' }, "a.json: there is no setting 'optimiser'; did you mean 'optimizer'?"],
    [
      'a setting of another method',
      { method: { name: 'trades', lambda: 1 } },
      "a.json: method: there is no setting 'lambda' here",
    ],
    ['an unknown one', { zzzzzz: 1 }, "a.json: there is no setting 'zzzzzz'"],
    [
      'a method that does not exist',
      { method: 'pgd' },
      `a.json: method.name: there is no training method "pgd"; there are ${METHOD_NAMES.slice(0, -1).join(', ')} and ig-norm-sum`,
    ],
    [
      'an optimiser without a name',
      { optimizer: {} },
      'a.json: optimizer.name: the name of the optimizer is missing; there are sgd, adam and adamw',
    ],
    ['a list for a method', { method: 7 }, 'a.json: method: must be an object, not 7'],
    [
      'a negative radius',
      { method: { name: 'mart', epsilon: '-1/2' } },
      'a.json: method.epsilon: must be 0 or more, not -0.5',
    ],
    [
      'text that is no number',
      { learningRate: '8/x' },
      'a.json: learningRate: must be a number, or a fraction such as "8/255", not "8/x"',
    ],
    ['a list for a number', { learningRate: [1] }, 'a.json: learningRate: must be a number, not [1]'],
    ['half an epoch', { epochs: 0.5 }, 'a.json: epochs: must be a whole number, 1 or more, not 0.5'],
    [
      'an unknown choice',
      { schedule: { name: 'step', unit: 'days' } },
      'a.json: schedule.unit: must be share, epochs or steps, not "days"',
    ],
    [
      'an unknown start',
      { method: { name: 'trades', randomStart: 'corner' } },
      'a.json: method.randomStart: must be a boolean, ball, box or sphere, not "corner"',
    ],
    ['text for a switch', { freeze: 'yes' }, 'a.json: freeze: must be a boolean, not "yes"'],
    ['what is missing', { clipping: { limit: 1 } }, 'a.json: clipping.name: must be value or norm, and is missing'],
    [
      'two mistakes',
      { epochs: 0, batchSize: 0 },
      'a.json: epochs: must be a whole number, 1 or more, not 0; batchSize: must be a whole number, 1 or more, not 0',
    ],
  ])('with %s is refused', (_, value, message) => {
    expect(() => parse(value)).toThrow(UsageError);
    expect(() => parse(value)).toThrow(new UsageError(message));
  });
});

describe('a method', () => {
  const GROWTH = { from: 0, until: 0.3, unit: 'share' } as const;
  const inner = { epsilon: 8 / 255, ramp: GROWTH, batchNorm: 'evaluation' } as const;

  it.each<[unknown, TrainingMethod]>([
    ['standard', standard()],
    ['adversarial', adversarial({ ...inner, attack: pgd({ steps: 7 }) })],
    [
      { name: 'adversarial', norm: 'l2', epsilon: 0.5, steps: 20, stepSize: 0.1, share: 0.5, batches: 'alternating' },
      adversarial({
        ...{ ...inner, epsilon: 0.5, share: 0.5, batches: 'alternating' },
        attack: pgd({ norm: 'l2', steps: 20, stepSize: 0.1 }),
      }),
    ],
    ['fgsm-random-start', fgsmRandomStart({ epsilon: 8 / 255, batchNorm: 'evaluation' })],
    [{ name: 'free', replays: 4, epsilon: 0.1 }, free({ replays: 4, epsilon: 0.1 })],
    ['trades', trades({ ...inner, attack: pgd({ steps: 10 }) })],
    [{ name: 'mart', beta: 4, steps: 3 }, mart({ ...inner, attack: pgd({ steps: 3 }), beta: 4 })],
    [
      { name: 'trades', weightPerturbation: { gamma: 0.01 } },
      withWeightPerturbation(trades({ ...inner, attack: pgd({ steps: 10 }) }), { gamma: 0.01 }),
    ],
    ['normal', interpretationMethod('normal', { epsilon: 0 })],
    ['int2-adv', interpretationMethod('int2-adv', { ...inner, epsilon: 0.3 })],
    ['trades-kl', interpretationMethod('trades', { ...inner, epsilon: 0.3 })],
    [
      { name: 'int', lambda: 0.02, form: 'paper', ramp: { until: 0 } },
      interpretationMethod('int', {
        ...{ ...inner, epsilon: 0.3, lambda: 0.02, form: 'paper' },
        ramp: { from: 0, until: 0, unit: 'steps' },
      }),
    ],
  ])('%j is that of the library', (method, expected) => {
    expect(JSON.parse(JSON.stringify(methodOf(parse({ method }).method)))).toEqual(
      JSON.parse(JSON.stringify(expected)),
    );
  });

  it.each(METHOD_NAMES)('%s passes the checks of the training', (name) => {
    const method = methodOf(parse({ method: name }).method);
    expect(() => checkMethod(method)).not.toThrow();
  });
});
