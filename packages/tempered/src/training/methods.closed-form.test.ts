/** @file Methods at settings at which they come to another one, or to a closed form. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pgd } from '../attacks/pgd.ts';
import { fromArrays } from '../data/dataset.ts';
import { accuracyUnderAttack, naturalAccuracy } from '../evaluation/accuracy.ts';
import { Classifier, type ModelDescription } from '../models/classifier.ts';
import { affineModel, modelOf } from '../models/testing/small-models.ts';
import { createRandom } from '../random.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { interpretationMethod } from './interpretation-methods.ts';
import {
  adversarial,
  checkMethod,
  free,
  mart,
  standard,
  type TrainingMethod,
  trades,
  withWeightPerturbation,
} from './method.ts';
import { adam, sgd } from './optimizer.ts';
import type { TrainOptions } from './options.ts';
import { ramp } from './ramp.ts';
import { constant } from './schedule.ts';
import { corners, gapNetwork } from './testing/gap-network.ts';
import { train } from './train.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const options = (over: Partial<TrainOptions>): TrainOptions => ({
  runtime,
  model: gapNetwork(),
  dataset: corners(),
  epochs: 1,
  batchSize: 10,
  learningRate: 0.1,
  optimizer: sgd({ momentum: 0 }),
  schedule: constant(),
  ...over,
});

const weightsOf = ({ graph }: ModelDescription): Record<string, number[]> =>
  Object.fromEntries([...graph.initializers].map(([name, { data }]) => [name, Array.from(data, Number)]));

const near = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 6));

describe('a method comes to another one:', () => {
  const attack = pgd({ steps: 3, stepSize: 0.05, randomStart: false });
  const still = { attack, epsilon: 0.1 };
  const started = { attack: { ...attack, randomStart: true }, epsilon: 0.1 };
  const oneBatch = { batchSize: 30 };
  const cases: [string, TrainingMethod, TrainingMethod, Partial<TrainOptions>?][] = [
    [
      'alternating batches start with a clean one',
      adversarial({ ...still, batches: 'alternating' }),
      standard(),
      oneBatch,
    ],
    [
      'the best of a batch over three steps, whose last is never looked at, is the last of two',
      adversarial({ ...still, attack: { ...attack, keep: 'batch' } }),
      adversarial({ ...still, attack: { ...attack, steps: 2 } }),
    ],
    [
      'the iterate before the last of three steps is the last of two',
      adversarial({ ...still, attack: { ...attack, keep: 'before-last' } }),
      adversarial({ ...still, attack: { ...attack, steps: 2 } }),
    ],
    ['a share of 0 is clean', adversarial({ ...still, share: 0 }), standard()],
    ['TRADES in a ball of radius 0 is clean', trades({ ...still, epsilon: 0 }), standard()],
    ['before its ramp, ε is 0', adversarial({ ...still, ramp: ramp({ from: 5, until: 9 }) }), standard()],
    [
      'λ of 0 leaves the loss as it is',
      interpretationMethod('int', { ...started, lambdaRamp: ramp({ from: 3, until: 4 }) }),
      standard(),
    ],
    ['γ of 0 leaves the weights where they are', withWeightPerturbation(mart(still), { gamma: 0 }), mart(still)],
    ['one replay from no perturbation is clean', free({ epsilon: 0.1, replays: 1 }), standard(), oneBatch],
    [
      'the TRADES of Boopathy et al. is TRADES with β 1',
      interpretationMethod('trades', started),
      trades({ ...started, beta: 1, gaussianStart: undefined }),
    ],
  ];
  it.each(cases)('%s', async (_, method, other, over) => {
    const [found, expected] = [
      await train(options({ ...over, method })),
      await train(options({ ...over, method: other })),
    ];
    const reached = weightsOf(expected.last);
    for (const [name, values] of Object.entries(weightsOf(found.last)))
      expect(values, name).toEqual(near(reached[name]!));
  });

  it('but is not the same as it', async () => {
    const ends = await Promise.all(
      [standard(), adversarial(still), trades(still), mart(still), withWeightPerturbation(mart(still))].map(
        async (method) => JSON.stringify(weightsOf((await train(options({ method }))).last)),
      ),
    );
    expect(new Set(ends).size).toBe(ends.length);
  });
});

describe('on softmax regression', () => {
  const START = [0.3, -0.2, 0.1, 0.5, -0.4, 0.6, 0.2, -0.1, 0.1, 0.1, -0.3, 0.2].map(Math.fround);
  const model = () => affineModel([1, 2, 2], [START.slice(0, 4), START.slice(4, 8), START.slice(8)]);
  const pixels = Float32Array.from({ length: 24 }, (_, i) => 0.5 + 0.48 * Math.sin(2 * i));
  const labels = [0, 1, 2, 1, 0, 2];
  const dataset = fromArrays({
    name: 'six',
    split: 'train',
    classes: ['class 0', 'class 1', 'class 2'],
    imageShape: [1, 2, 2],
    pixels,
    labels,
  });
  const fit = (over: Partial<TrainOptions>) => train(options({ model: model(), dataset, batchSize: 6, ...over }));

  /** Gradients of the mean cross-entropy over all six images, in file order. */
  function slopes(weight: readonly number[], bias: readonly number[], images: readonly number[]) {
    const result = { weight: weight.map(() => 0), bias: [0, 0, 0], images: images.map(() => 0) };
    labels.forEach((label, n) => {
      const x = images.slice(n * 4, n * 4 + 4);
      const powers = bias.map((b, k) => Math.exp(x.reduce((sum, value, p) => sum + value * weight[k * 4 + p]!, b)));
      const total = powers.reduce((a, b) => a + b, 0);
      powers.forEach((power, k) => {
        const error = (power / total - Number(k === label)) / labels.length;
        result.bias[k]! += error;
        x.forEach((value, p) => {
          result.weight[k * 4 + p]! += error * value;
          result.images[n * 4 + p]! += error * weight[k * 4 + p]!;
        });
      });
    });
    return result;
  }

  const minus = (values: readonly number[], steps: readonly number[], rate: number) =>
    values.map((value, i) => value - rate * steps[i]!);

  it('weights are moved up the gradient, and updated from where they were', async () => {
    const gamma = 0.1;
    const { last } = await fit({ method: withWeightPerturbation(standard(), { gamma }) });
    const images = Array.from(pixels);
    const up = slopes(START, [0, 0, 0], images).weight;
    const moved = minus(START, up, (-gamma * Math.hypot(...START)) / Math.hypot(...up));
    const there = slopes(moved, [0, 0, 0], images);
    expect(weightsOf(last).weight).toEqual(near(minus(START, there.weight, 0.1)));
    expect(weightsOf(last).bias).toEqual(near(minus([0, 0, 0], there.bias, 0.1)));
  });

  it('free training moves weights and perturbation by one pass, and keeps the perturbation for the next batch', async () => {
    const [epsilon, relativeStep] = [0.05, 0.7];
    const { last } = await fit({ method: free({ epsilon, replays: 2, relativeStep }), epochs: 2 });
    let [weight, bias] = [START, [0, 0, 0]];
    const delta = new Array<number>(24).fill(0);
    const clip = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));
    for (const epoch of [0, 1]) {
      const order = [...createRandom(0, 'order', epoch).shuffle(6)];
      // The perturbation belongs to a place in the batch, whatever image is there.
      const placeOf = (pixel: number) => order.indexOf(pixel >> 2) * 4 + (pixel & 3);
      for (let replay = 0; replay < 2; replay++) {
        const moved = Array.from(pixels, (value, i) => value + delta[placeOf(i)]!);
        const there = slopes(
          weight,
          bias,
          moved.map((value) => clip(value, 0, 1)),
        );
        there.images.forEach((slope, i) => {
          const passed = moved[i]! >= 0 && moved[i]! <= 1 ? Math.sign(slope) : 0;
          delta[placeOf(i)] = clip(delta[placeOf(i)]! + epsilon * relativeStep * passed, -epsilon, epsilon);
        });
        [weight, bias] = [minus(weight, there.weight, 0.1), minus(bias, there.bias, 0.1)];
      }
    }
    expect(weightsOf(last).weight).toEqual(near(weight));
    expect(weightsOf(last).bias).toEqual(near(bias));
  });
});

describe('batch normalisation during the attack', () => {
  /** Statistics of the images themselves: they do not depend on the weights. */
  const model = () =>
    modelOf([1, 2, 2], 2, (g, x) => {
      const vector = (name: string, ...data: number[]) =>
        g.parameter(name, { dtype: 'float32', shape: [data.length], data: Float32Array.from(data) });
      const inputs = [x, vector('scale', 1), vector('shift', 0), vector('mean', 0.25), vector('variance', 2)];
      const h = g.op('Flatten', [g.op('BatchNormalization', inputs, { epsilon: 1e-5, momentum: 0.9 })], { axis: 1 });
      const data = Float32Array.of(0.5, -1, 0.25, 1, -0.5, 0.3, 0.2, -0.8);
      const weight = g.parameter('weight', { dtype: 'float32', shape: [2, 4], data });
      return g.rename(g.op('Gemm', [h, weight], { transB: 1 }), 'logits');
    });
  const pixels = Float32Array.from({ length: 16 }, (_, i) => 0.5 + 0.3 * Math.sin(3 * i));
  const labels = [0, 1, 1, 0];
  const dataset = fromArrays({
    name: 'four',
    split: 'train',
    classes: ['class 0', 'class 1'],
    imageShape: [1, 2, 2],
    pixels,
    labels,
  });
  const inner = { attack: pgd({ steps: 5, randomStart: false }), epsilon: 1e-6 };

  it.each<[string, number, TrainingMethod]>([
    ['standard training', 1, standard()],
    ['evaluation mode', 1, adversarial(inner)],
    ['training mode, statistics kept', 1, adversarial({ ...inner, batchNorm: 'training' })],
    ['training mode, statistics moved', 6, adversarial({ ...inner, batchNorm: 'training, moving statistics' })],
    ['a clean and an adversarial pass', 2, trades({ ...inner, gaussianStart: 1e-6 })],
    ['a pass for the weight perturbation, which leaves them', 1, withWeightPerturbation(adversarial(inner))],
  ])('%s: the running mean has moved by %i passes', async (_, passes, method) => {
    const { last } = await train(options({ model: model(), dataset, batchSize: 4, method }));
    const mean = pixels.reduce((a, b) => a + b, 0) / pixels.length;
    expect(weightsOf(last).mean![0]).toBeCloseTo(mean + 0.9 ** passes * (0.25 - mean), 5);
  });
});

describe('a whole training', () => {
  const radius = { attack: pgd({ steps: 5 }), epsilon: 0.15, ramp: ramp({ until: 0.7, unit: 'share' }) };
  const long = { epochs: 40, optimizer: adam(), learningRate: 0.03, dataset: corners(60) };
  const test = corners(60, 2);
  const measure = async (model: ModelDescription) => {
    const classifier = new Classifier(model, runtime);
    const natural = (await naturalAccuracy(classifier, test)).accuracy;
    const [robust] = await accuracyUnderAttack(classifier, {
      dataset: test,
      attack: pgd({ steps: 20 }),
      epsilons: [0.15],
    });
    await classifier.release();
    return { natural, robust: robust!.accuracy };
  };

  it.each([
    ['int2-adv', interpretationMethod('int2-adv', radius)],
    ['TRADES', trades(radius)],
  ])('of %s is more robust than the standard one, and still good', async (_, method) => {
    const plain = await measure((await train(options(long))).last);
    const robust = await measure((await train(options({ ...long, method }))).last);
    expect(plain.natural).toBeGreaterThan(0.95);
    expect(robust.natural).toBeGreaterThan(0.9);
    expect(robust.robust).toBeGreaterThan(plain.robust + 0.1);
  });
});

describe('methods are refused:', () => {
  const inner = { attack: pgd(), epsilon: 0.1 };
  it.each<[string, TrainingMethod, RegExp]>([
    ['a negative ε', adversarial({ ...inner, epsilon: -1 }), /epsilon must be 0 or more, not -1$/],
    ['a negative β', trades({ ...inner, beta: -2 }), /the weight of a term must be 0 or more, not -2$/],
    ['no loss', { name: 'own', loss: [] }, /^own training: the loss needs a term$/],
    ['no path', { name: 'own', loss: [{ name: 'path-gradient', steps: 0, of: 'image' }] }, /1 or more, not 0$/],
    ['half a replay', free({ epsilon: 0.1, replays: 0.5 }), /replays must be a whole number, 1 or more, not 0.5$/],
    ['a negative γ', withWeightPerturbation(standard(), { gamma: -1 }), /gamma must be 0 or more, not -1$/],
    [
      'perturbed replays',
      withWeightPerturbation(free({ epsilon: 0.1 })),
      /weights are not perturbed in free training$/,
    ],
    ['alternation without an attack', { ...standard(), batches: 'alternating' }, /an attack is missing$/],
    ['the loss of a logit', adversarial({ ...inner, attack: pgd({ loss: 'logit' }) }), /the margin, not the logit$/],
    ['no steps', adversarial({ ...inner, attack: pgd({ steps: 0 }) }), /1 or more, not 0$/],
    [
      'a best of its own',
      adversarial({ ...inner, attack: pgd({ keep: 'worst' }) }),
      /the best of the batch, not 'worst'$/,
    ],
  ])('%s', (_, method, message) => {
    expect(() => checkMethod(method)).toThrow(message);
  });
});
