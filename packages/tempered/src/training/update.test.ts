/** @file What the training graph does with gradients, against double precision: optimisers, clipping, averages, targets. */
import { emptyGraph, GraphBuilder, type Value, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { createRandom } from '../random.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { checkClipping, clipByNorm, clipByValue, type GradientClipping, writeClipping } from './clipping.ts';
import { checkLabelSmoothing, smoothTarget } from './label-smoothing.ts';
import { adam, adamw, type Optimizer, sgd, stateNames, stepScalars, writeUpdate } from './optimizer.ts';
import { averagingDecay, checkWeightAveraging, weightAveraging, writeAverage } from './weight-averaging.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

type Arrays = Record<string, readonly number[]>;

/** Compiles a graph of vectors and scalars: lengths of the inputs, 0 for a scalar, and what is written from them. */
async function compile(
  inputs: Record<string, number>,
  write: (g: GraphBuilder, values: Record<string, Value>) => Record<string, Value>,
): Promise<(feeds: Arrays) => Promise<Record<string, number[]>>> {
  const g = new GraphBuilder(emptyGraph('update'));
  const shape = (length: number) => (length === 0 ? [] : [length]);
  const values = Object.fromEntries(
    Object.entries(inputs).map(([name, length]) => [name, g.input(name, 'float32', shape(length))]),
  );
  const outputs = write(g, values);
  for (const [name, value] of Object.entries(outputs)) g.output(value, name);
  const program = await runtime.compile(writeModel(g.graph), { label: 'update' });
  return async (feeds) => {
    const tensors = Object.entries(feeds).map(([name, data]) => [
      name,
      { dtype: 'float32' as const, shape: shape(inputs[name]!), data: Float32Array.from(data) },
    ]);
    const { fetched } = await program.run(Object.fromEntries(tensors), { fetch: Object.keys(outputs) });
    return Object.fromEntries(Object.entries(fetched).map(([name, { data }]) => [name, Array.from(data, Number)]));
  };
}

const SIZE = 6;
const draw = (...stream: (string | number)[]): number[] => {
  const random = createRandom(4, ...stream);
  return Array.from({ length: SIZE }, () => random.normal());
};

describe('an optimiser', () => {
  /** The published rules, one number at a time: Sutskever et al. 2013; Kingma & Ba 2015; Loshchilov & Hutter 2019. */
  function reference(o: Optimizer, weight: number, gradients: readonly number[], rates: readonly number[]): number {
    let w = weight;
    let [m, v] = [0, 0];
    gradients.forEach((gradient, i) => {
      const t = i + 1;
      const rate = rates[i]!;
      const decayed = gradient + o.weightDecay * w;
      if (o.name === 'sgd') {
        m = o.momentum * m + decayed;
        w -= rate * (o.nesterov ? decayed + o.momentum * m : m);
        return;
      }
      const slope = o.name === 'adam' ? decayed : gradient;
      m = o.beta1 * m + (1 - o.beta1) * slope;
      v = o.beta2 * v + (1 - o.beta2) * slope ** 2;
      const [first, second] = [m / (1 - o.beta1 ** t), v / (1 - o.beta2 ** t)];
      if (o.name === 'adamw') w *= 1 - rate * o.weightDecay;
      w -= (rate * first) / (Math.sqrt(second) + o.epsilon);
    });
    return w;
  }

  it.each<[string, Optimizer]>([
    ['SGD', sgd({ momentum: 0 })],
    ['SGD with momentum and weight decay', sgd({ weightDecay: 0.05 })],
    ['SGD with Nesterov momentum', sgd({ nesterov: true })],
    ['SGD with Nesterov momentum and weight decay', sgd({ momentum: 0.7, nesterov: true, weightDecay: 0.05 })],
    ['Adam', adam()],
    ['Adam with weight decay', adam({ beta1: 0.8, beta2: 0.9, epsilon: 1e-4, weightDecay: 0.1 })],
    ['AdamW', adamw()],
    ['AdamW with a strong decay', adamw({ beta1: 0.8, beta2: 0.9, weightDecay: 0.5 })],
  ])('%s follows its rule', async (_, optimizer) => {
    const slots = stateNames(optimizer);
    const scalars = Object.keys(stepScalars(optimizer, 1, 0));
    const lengths = Object.fromEntries([
      ...['parameter', 'gradient', ...slots].map((name) => [name, SIZE]),
      ...scalars.map((name) => [name, 0]),
    ]);
    const run = await compile(lengths, (g, values) => {
      const { parameter, state } = writeUpdate(g, optimizer, {
        parameter: values.parameter!,
        gradient: values.gradient!,
        state: slots.map((name) => values[name]!),
        scalars: values,
      });
      return { next: parameter, ...Object.fromEntries(slots.map((name, i) => [`next_${name}`, state[i]!])) };
    });
    const rates = [0.1, 0.05, 0.2, 0.1, 0.01, 0.1, 0.3];
    const gradients = rates.map((_, i) => draw('gradient', i));
    let parameter = draw('weight');
    let state: Arrays = Object.fromEntries(slots.map((name) => [name, parameter.map(() => 0)]));
    for (const [i, rate] of rates.entries()) {
      const factors = Object.entries(stepScalars(optimizer, i + 1, rate)).map(([name, value]) => [name, [value]]);
      const next = await run({ parameter, gradient: gradients[i]!, ...state, ...Object.fromEntries(factors) });
      parameter = next.next!;
      state = Object.fromEntries(slots.map((name) => [name, next[`next_${name}`]!]));
    }
    const expected = draw('weight').map((weight, p) =>
      reference(
        optimizer,
        weight,
        gradients.map((gradient) => gradient[p]!),
        rates,
      ),
    );
    expect(parameter).toEqual(expected.map((value) => expect.closeTo(value, 5)));
  });
});

describe('clipping', () => {
  const clip = async (clipping: GradientClipping | undefined, a: readonly number[], b: readonly number[]) => {
    const run = await compile({ a: a.length, b: b.length }, (g, { a, b }) => {
      const [first, second] = writeClipping(g, [a!, b!], clipping);
      return { first: first!, second: second! };
    });
    const { first, second } = await run({ a, b });
    return [first, second];
  };

  it.each<[string, GradientClipping | undefined, number[], number[], number[][]]>([
    ['nothing', undefined, [3, -4], [12], [[3, -4], [12]]],
    ['values', clipByValue(3.5), [3, -4], [12], [[3, -3.5], [3.5]]],
    // 3² + 4² + 12² = 13²
    ['the norm over all gradients', clipByNorm(6.5), [3, -4], [12], [[1.5, -2], [6]]],
    ['nothing within the norm', clipByNorm(13), [3, -4], [12], [[3, -4], [12]]],
    ['nothing of zeros', clipByNorm(1), [0, 0], [0], [[0, 0], [0]]],
  ])('takes %s', async (_, clipping, a, b, expected) => {
    expect(await clip(clipping, a, b)).toEqual(expected.map((part) => part.map((value) => expect.closeTo(value, 5))));
  });

  it.each([clipByValue(0), clipByNorm(-1), clipByNorm(Number.NaN)])('refuses a limit of $limit', (clipping) => {
    expect(() => checkClipping(clipping)).toThrow(UsageError);
  });
});

describe('weight averaging', () => {
  const at = (step: number) => ({ step, stepsPerEpoch: 10, epochs: 10 });

  it('moves by the share that the decay leaves', async () => {
    const run = await compile({ average: 2, next: 2, decay: 0 }, (g, values) => ({
      result: writeAverage(g, values.average!, values.next!, values.decay!),
    }));
    const { result } = await run({ average: [1, -2], next: [2, 6], decay: [0.75] });
    expect(result).toEqual([1.25, 0].map((value) => expect.closeTo(value, 6)));
    const off = await run({ average: [1, -2], next: [2, 6], decay: [0] });
    expect(off.result).toEqual([2, 6]);
  });

  it.each<[string, Parameters<typeof weightAveraging>[0], [step: number, decay: number][]]>([
    [
      'at once',
      {},
      [
        [0, 0.1],
        [1, 2 / 11],
        [8, 0.5],
        [99, 100 / 109],
      ],
    ],
    [
      'up to the decay',
      { decay: 0.4 },
      [
        [5, 0.4],
        [6, 0.4],
      ],
    ],
    [
      'from half of the training',
      { start: 0.5 },
      [
        [0, 0],
        [49, 0],
        [50, 0.1],
        [58, 0.5],
      ],
    ],
    [
      'from an epoch',
      { start: 3, unit: 'epochs' },
      [
        [29, 0],
        [30, 0.1],
        [38, 0.5],
      ],
    ],
    [
      'from a step',
      { start: 7, unit: 'steps' },
      [
        [6, 0],
        [7, 0.1],
        [15, 0.5],
      ],
    ],
  ])('begins %s', (_, options, values) => {
    for (const [step, decay] of values)
      expect(averagingDecay(weightAveraging(options), at(step))).toBeCloseTo(decay, 12);
  });

  it.each([{ decay: 1 }, { decay: -0.1 }, { start: 1.5 }, { start: -1 }])('refuses %o', (options) => {
    expect(() => checkWeightAveraging(weightAveraging(options))).toThrow(UsageError);
  });
});

describe('label smoothing', () => {
  it('spreads its share over all classes', async () => {
    const run = await compile({ a: 4 }, (g, { a }) => ({
      result: g.reshape(smoothTarget(g, g.reshape(a!, [1, 4]), 0.1), [4]),
    }));
    expect((await run({ a: [0, 1, 0, 0] })).result).toEqual(
      [0.025, 0.925, 0.025, 0.025].map((value) => expect.closeTo(value, 6)),
    );
  });

  it.each([-0.1, 1, Number.NaN])('refuses a share of %d', (share) => {
    expect(() => checkLabelSmoothing(share)).toThrow(UsageError);
  });
});
