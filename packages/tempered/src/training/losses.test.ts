/**
 * @file The losses of the training methods, their gradients by the weights and the directions of their attacks, through
 * the compiled programs, against the same network written anew in double precision and its central differences.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pgd } from '../attacks/pgd.ts';
import { feed, floats, oneHot } from '../models/batching.ts';
import { createRandom } from '../random.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { compileAdversary } from './adversary.ts';
import { type InterpretationMethodName, interpretationMethod } from './interpretation-methods.ts';
import { adversarial, innerObjective, mart, standard, type TrainingMethod, trades } from './method.ts';
import type { Term } from './objectives/terms.ts';
import { sgd } from './optimizer.ts';
import { compileTrainingStep } from './step-program.ts';
import {
  backward,
  CLASSES,
  forward,
  gapNetwork,
  IMAGE_SHAPE,
  type Parameters,
  parametersOf,
} from './testing/gap-network.ts';
import { softmax, termAt } from './testing/reference.ts';
import { createTrainingState, releaseTrainingState } from './training-state.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const BATCH = 2;
const LABELS = [2, 0];
const RADIUS = 0.1;
const images = (stream: string, low: number, high: number) => {
  const data = new Float32Array(BATCH * 16);
  createRandom(6, stream).fillUniform(data, low, high);
  return { shape: [BATCH, ...IMAGE_SHAPE], data };
};
const CLEAN = images('clean', 0.3, 0.7);
const MOVED = { ...CLEAN, data: CLEAN.data.map((value, i) => value + images('way', -RADIUS, RADIUS).data[i]!) };
const target = feed(oneHot(LABELS, CLASSES));

/** A sum of terms, mean over the batch, as a function of weights and images. */
function reference(
  terms: readonly Term[],
  parameters: Parameters,
  clean: ArrayLike<number>,
  moved: ArrayLike<number>,
): number {
  const row = (values: ArrayLike<number>, n: number) => Array.from(values).slice(n * 16, n * 16 + 16);
  const slope = (x: readonly number[], label: number) => {
    const errors = softmax(forward(parameters, x).logits).map((p, k) => p - Number(k === label));
    return backward(parameters, x, errors);
  };
  const each = LABELS.map((label, n) => {
    const passAt = (x: number[]) => ({ x, ...forward(parameters, x) });
    const passes = { clean: passAt(row(clean, n)), adversarial: passAt(row(moved, n)) };
    return terms.reduce(
      (sum, term) => sum + (term.weight ?? 1) * termAt(term, passes, label, { size: BATCH, slope }),
      0,
    );
  });
  return each.reduce((a, b) => a + b, 0) / BATCH;
}

const attack = pgd({ norm: 'l2', steps: 1, stepSize: 0.05 });
const inner = { attack, epsilon: 1, gaussianStart: 0.02 };
const NAMES: readonly InterpretationMethodName[] = [
  'normal',
  'adv',
  'trades',
  'int',
  'int-adv',
  'int-one-class',
  'int2',
  'int2-adv',
  'ig-norm',
  'ig-norm-sum',
];
const methods: [string, TrainingMethod][] = [
  ...NAMES.map((name): [string, TrainingMethod] => [name, interpretationMethod(name, { ...inner, lambda: 0.3 })]),
  ['int2-adv, form of the paper', interpretationMethod('int2-adv', { ...inner, lambda: 5, form: 'paper' })],
  ['standard', standard()],
  ['half adversarial', adversarial({ ...inner, share: 0.5 })],
  ['TRADES', trades(inner)],
  ['MART', mart(inner)],
  ['margin attack', adversarial({ ...inner, attack: { ...attack, loss: 'margin' } })],
];

describe.each(methods)('%s', (_, method) => {
  it('has the loss of its formula, and steps along its gradient', async () => {
    const model = gapNetwork();
    const optimizer = sgd({ momentum: 0 });
    const state = await createTrainingState(runtime, model, optimizer);
    const step = await compileTrainingStep(runtime, model, { optimizer, batchSize: BATCH, state, method });
    const { loss } = await step.run({ x: feed(CLEAN), adversarial: feed(MOVED), target, step: 1, learningRate: 1 });
    const parameters = parametersOf(model);
    expect(loss).toBeCloseTo(reference(method.loss, parameters, CLEAN.data, MOVED.data), 5);
    for (const name of Object.keys(parameters) as (keyof Parameters)[]) {
      const next = floats(await state.parameters[name]!.read());
      for (const i of [...next.keys()].filter((i) => next.length < 40 || i % 5 === 0)) {
        const at = (offset: number) => {
          const values = parameters[name].with(i, parameters[name][i]! + offset);
          return reference(method.loss, { ...parameters, [name]: values }, CLEAN.data, MOVED.data);
        };
        const slope = (at(1e-6) - at(-1e-6)) / 2e-6;
        expect(parameters[name][i]! - next[i]!, `${name}[${i}]`).toBeCloseTo(slope, 5);
      }
    }
    step.release();
    releaseTrainingState(state);
  });
});

describe.each(methods.filter(([, method]) => method.inner))('the attack of %s', (_, { inner: raised }) => {
  it('steps along the gradient of what it raises', async () => {
    if (raised === undefined) throw new Error('only methods that attack are here');
    const model = gapNetwork();
    const state = await createTrainingState(runtime, model, sgd());
    const adversary = await compileAdversary(runtime, model, { inner: raised, batchSize: BATCH, state });
    const origin = await runtime.upload(feed(CLEAN));
    const clock = { step: 0, stepsPerEpoch: 1, epochs: 1 };
    const found = await adversary.attack({ images: CLEAN, origin, target, clock, seed: 4, firstNumber: 7 });
    const x = floats(await found!.read());
    const noise = new Float32Array(16);
    const start = Float64Array.from(CLEAN.data, (value, i) => {
      if (i % 16 === 0) createRandom(4, 'start', 7 + i / 16).fillNormal(noise, 0, 0.02);
      return Math.fround(value + noise[i % 16]!);
    });
    const parameters = parametersOf(model);
    const slope = Array.from(start, (value, i) => {
      const at = (offset: number) =>
        reference(innerObjective(raised), parameters, CLEAN.data, start.with(i, value + offset));
      return (at(1e-6) - at(-1e-6)) / 2e-6;
    });
    for (let n = 0; n < BATCH; n++) {
      const own = slope.slice(n * 16, n * 16 + 16);
      const length = Math.hypot(...own);
      own.forEach((value, i) => {
        const moved = (x[n * 16 + i]! - start[n * 16 + i]!) / 0.05;
        expect(moved, `image ${n}, pixel ${i}`).toBeCloseTo(value / length, 4);
      });
    }
    found!.release();
    origin.release();
    adversary.release();
    releaseTrainingState(state);
  });
});
