import type { GraphBuilder, Value } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { Classifier, type ModelDescription } from '../models/classifier.ts';
import { affineModel, modelOf, networkModel, noiseImages } from '../models/testing/small-models.ts';
import { createRandom } from '../random.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows, sizeOf, type Tensor } from '../tensor.ts';
import { type AttributeOptions, type Attribution, attribute } from './attribute.ts';
import { type DeepLiftRule, deepLift } from './deep-lift.ts';
import { gradientTimesInput } from './gradient.ts';
import { integratedGradients } from './integrated-gradients.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const tensor = (shape: readonly number[], values: readonly number[]): Tensor => ({
  shape,
  data: Float32Array.from(values),
});

/** One image and its baseline, of any shape without a batch axis. */
const lift = (
  model: ModelDescription,
  x: readonly number[],
  x0: readonly number[],
  { rule = 'rescale', ...options }: { rule?: DeepLiftRule } & Partial<AttributeOptions> = {},
): Promise<Attribution> =>
  attribute(new Classifier(model, runtime), {
    images: tensor([1, ...model.inputShape], x),
    method: deepLift({ baseline: tensor(model.inputShape, x0), rule }),
    target: 0,
    ...options,
  });

const constant = (g: GraphBuilder, shape: readonly number[], values: readonly number[]) =>
  g.tensor({ dtype: 'float32', shape, data: Float32Array.from(values) });

/** The sum of what `write` makes of the input, as the one logit. */
const summed = (inputShape: readonly number[], write: (g: GraphBuilder, x: Value) => Value): ModelDescription =>
  modelOf(inputShape, 1, (g, x) => {
    const y = write(g, x);
    return g.rename(
      g.reshape(g.op('ReduceSum', [g.op('Flatten', [y], { axis: 1 }), g.integers([1])], { keepdims: 1 }), [-1, 1]),
      'logits',
    );
  });

const expectClose = (found: ArrayLike<number>, expected: readonly number[], tolerance = 1e-5) => {
  expect(found.length).toBe(expected.length);
  const scale = Math.max(1, ...expected.map(Math.abs));
  expected.forEach((value, i) => {
    expect(Math.abs(found[i]! - value) / scale, `element ${i}: ${found[i]} instead of ${value}`).toBeLessThan(
      tolerance,
    );
  });
};

const expectComplete = ({ certificate }: Attribution, tolerance = 1e-4) => {
  for (const { sum, difference } of certificate!.completeness!) {
    expect(Math.abs(difference)).toBeGreaterThan(1e-3);
    expect(Math.abs(sum - difference)).toBeLessThan(tolerance * Math.max(1, Math.abs(difference)));
  }
};

describe('the rescale rule', () => {
  const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
  const clip = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);
  // Far apart, near, equal, on both sides of every kink.
  const X = [1.5, -2, 0.3, 0.3001, 4, -0.5, 0.7, 0, 7, -4];
  const X0 = [-0.5, -1, 0.3, 0.3, 2, 0.25, 0.6995, 0, 5, 3.5];
  const POSITIVE = { x: [1.5, 0.2, 3, 0.7001], x0: [0.5, 1.2, 3, 0.7] };
  const INSIDE = { x: [0.5, -0.2, 0.9, 0.3], x0: [0.1, 0.6, -0.9, 0.3] };

  it.each<[string, (x: number) => number, { x: number[]; x0: number[] }?, Record<string, number>?]>([
    ['Relu', (x) => Math.max(x, 0)],
    ['LeakyRelu', (x) => (x > 0 ? x : 0.2 * x), undefined, { alpha: 0.2 }],
    ['ThresholdedRelu', (x) => (x > 0.65 ? x : 0), undefined, { alpha: 0.65 }],
    ['Sigmoid', sigmoid],
    ['HardSigmoid', (x) => clip(0.2 * x + 0.5, 0, 1)],
    ['HardSwish', (x) => x * clip(x / 6 + 0.5, 0, 1)],
    ['Tanh', Math.tanh],
    ['Softplus', (x) => Math.log1p(Math.exp(x))],
    ['Softsign', (x) => x / (1 + Math.abs(x))],
    ['Mish', (x) => x * Math.tanh(Math.log1p(Math.exp(x)))],
    ['Elu', (x) => (x > 0 ? x : 1.3 * Math.expm1(x)), undefined, { alpha: 1.3 }],
    ['Celu', (x) => (x > 0 ? x : 1.3 * Math.expm1(x / 1.3)), undefined, { alpha: 1.3 }],
    ['Selu', (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x))],
    ['Abs', Math.abs],
    ['Exp', Math.exp],
    ['Sin', Math.sin],
    ['Floor', Math.floor],
    ['Sqrt', Math.sqrt, POSITIVE],
    ['Log', Math.log, POSITIVE],
    ['Reciprocal', (x) => 1 / x, POSITIVE],
    ['Asin', Math.asin, INSIDE],
    ['Atanh', Math.atanh, INSIDE],
  ])('%s: each input gets the difference that it makes', async (op, f, { x, x0 } = { x: X, x0: X0 }, attributes) => {
    const found = await lift(
      summed([x.length], (g, input) => g.op(op, [input], attributes)),
      x,
      x0,
    );
    // In single precision, as the network sees them.
    expectClose(
      found.attributions.data,
      x.map((value, i) => f(Math.fround(value)) - f(Math.fround(x0[i]!))),
    );
  });

  it.each<[number, { x: number[]; x0: number[] }]>([
    [2, { x: X, x0: X0 }],
    [3, { x: X, x0: X0 }],
    [-1, POSITIVE],
    [0.5, POSITIVE],
    [1.7, POSITIVE],
  ])('x to the power of %d', async (exponent, { x, x0 }) => {
    const { attributions } = await lift(
      summed([x.length], (g, input) => g.pow(input, g.constant(exponent))),
      x,
      x0,
    );
    expectClose(
      attributions.data,
      x.map((value, i) => value ** exponent - x0[i]! ** exponent),
      2e-5,
    );
  });

  it('Clip between two bounds, or with one', async () => {
    for (const [low, high] of [
      [-1, 2],
      [-1, undefined],
      [undefined, 2],
    ] as const) {
      const bound = (g: GraphBuilder, value: number | undefined) =>
        value === undefined ? undefined : g.constant(value);
      const model = summed([X.length], (g, x) => g.op('Clip', [x, bound(g, low), bound(g, high)]));
      const f = (x: number) => clip(x, low ?? -9, high ?? 9);
      const { attributions } = await lift(model, X, X0);
      expectClose(
        attributions.data,
        X.map((x, i) => f(x) - f(X0[i]!)),
      );
    }
  });

  it('rounding to integers and back, moved about in between', async () => {
    const model = summed([2, 2], (g, x) => {
      const [scale, zero] = [g.constant(0.25), g.tensor({ dtype: 'uint8', shape: [], data: Uint8Array.of(128) })];
      const integers = g.op('QuantizeLinear', [x, scale, zero]);
      return g.op('DequantizeLinear', [g.transpose(integers, [0, 2, 1]), scale, zero]);
    });
    const [x, x0] = [
      [0.3, -1.1, 0.55, 100],
      [0.6, -1.2, -0.2, 0.1],
    ] as const;
    const f = (value: number) => Math.min(Math.round(value / 0.25), 127) * 0.25;
    expectClose(
      (await lift(model, x, x0)).attributions.data,
      x.map((value, i) => f(value) - f(x0[i]!)),
    );
  });

  it('multiplies by the slope where an input equals its reference', async () => {
    const model = summed([3], (g, x) => g.tanh(x));
    const classifier = new Classifier(model, runtime);
    const images = tensor([1, 3], [0.3, 0.3005, 0.9]);
    const baseline = tensor([1, 3], [0.3, 0.3, 0.3]);
    const { attributions } = await attribute(classifier, { images, method: deepLift({ baseline, local: true }) });
    expectClose(attributions.data, [
      1 - Math.tanh(0.3) ** 2,
      1 - Math.tanh(0.30025) ** 2,
      (Math.tanh(0.9) - Math.tanh(0.3)) / 0.6,
    ]);
  });
});

describe('differences of several operands', () => {
  /** Operands are the halves of the input. */
  const halves = (g: GraphBuilder, x: Value, size: number): [Value, Value] => [
    g.slice(x, { starts: [0], ends: [size], axes: [1] }),
    g.slice(x, { starts: [size], ends: [2 * size], axes: [1] }),
  ];
  const [a, b, a0, b0] = [
    [2, -1],
    [3, 0.5],
    [1, 1],
    [5, 2],
  ];
  const liftPair = (write: (g: GraphBuilder, a: Value, b: Value) => Value) =>
    lift(
      summed([4], (g, x) => write(g, ...halves(g, x, 2))),
      [...a!, ...b!],
      [...a0!, ...b0!],
    );
  const each = (f: (a: number, b: number, a0: number, b0: number) => number) =>
    [0, 1].map((i) => f(a![i]!, b![i]!, a0![i]!, b0![i]!));

  it('a product is split in the middle', async () => {
    const { attributions } = await liftPair((g, a, b) => g.mul(a, b));
    expectClose(attributions.data, [
      ...each((a, b, a0, b0) => ((a - a0) * (b + b0)) / 2),
      ...each((a, b, a0, b0) => ((b - b0) * (a + a0)) / 2),
    ]);
  });

  it('a quotient is split symmetrically', async () => {
    const { attributions } = await liftPair((g, a, b) => g.div(a, b));
    expectClose(attributions.data, [
      ...each((a, b, a0, b0) => (a / b - a0 / b + (a / b0 - a0 / b0)) / 2),
      ...each((a, b, a0, b0) => (a / b - a / b0 + (a0 / b - a0 / b0)) / 2),
    ]);
  });

  it('the larger and the smaller of two add up, whichever is first', async () => {
    for (const op of ['Max', 'Min']) {
      const found = await liftPair((g, a, b) => g.op(op, [a, b]));
      const swapped = await liftPair((g, a, b) => g.op(op, [b, a]));
      expectComplete(found);
      expectClose(found.attributions.data, [...swapped.attributions.data]);
      const pick = op === 'Max' ? Math.max : Math.min;
      const perElement = [0, 1].map((i) => found.attributions.data[i]! + found.attributions.data[i + 2]!);
      expectClose(
        perElement,
        each((a, b, a0, b0) => pick(a, b) - pick(a0, b0)),
      );
    }
  });

  it('the largest of three', async () => {
    const model = summed([3], (g, x) =>
      g.op(
        'Max',
        [0, 1, 2].map((i) => g.slice(x, { starts: [i], ends: [i + 1], axes: [1] })),
      ),
    );
    const { attributions } = await lift(model, [1, 4, 2], [3, 0.5, 0]);
    // From 3 to 4: what is gained is the second's, in part the loss of the first.
    expectClose([attributions.data.reduce((x, y) => x + y, 0)], [1]);
    expect(attributions.data[1]).toBeGreaterThan(0);
    expect(attributions.data[0]).toBeLessThan(0);
  });

  it('a mask that is computed from the input: what is chosen answers for the whole difference', async () => {
    const x = [1.5, -2, 0.5, -1];
    const x0 = [-0.5, -1, 0.25, 2];
    const positive = (g: GraphBuilder, x: Value) => g.greater(x, g.constant(0));
    const forms = [
      (g: GraphBuilder, x: Value) => g.where(positive(g, x), x, g.constant(0)),
      (g: GraphBuilder, x: Value) => g.where(g.not(positive(g, x)), g.constant(0), x),
      (g: GraphBuilder, x: Value) => g.mul(x, g.cast(positive(g, x), 'float32')),
      (g: GraphBuilder, x: Value) => g.max(x, g.constant(0)),
    ];
    for (const write of forms) {
      const { attributions } = await lift(summed([4], write), x, x0);
      expectClose(
        attributions.data,
        x.map((value, i) => Math.max(value, 0) - Math.max(x0[i]!, 0)),
      );
    }
  });
});

describe('pooling', () => {
  const pooled = (op: string, attributes = {}) => summed([1, 1, 4], (g, x) => g.op(op, [x], attributes));
  it.each(['MaxPool', 'GlobalMaxPool', 'ReduceMax'])('%s: a rise is that of the largest element now', async (op) => {
    const attributes = op === 'MaxPool' ? { kernel_shape: [1, 4] } : {};
    expectClose((await lift(pooled(op, attributes), [1, 0, 5, 0], [3, 2, 1, 0])).attributions.data, [0, 0, 2, 0]);
    expectClose((await lift(pooled(op, attributes), [1, 0, 2, 0], [3, 2, 2, 0])).attributions.data, [-1, 0, 0, 0]);
  });

  it('windows that overlap', async () => {
    const model = pooled('MaxPool', { kernel_shape: [1, 2], strides: [1, 1] });
    // Windows (1, 4), (4, 2), (2, 3) against (3, 0), (0, 1), (1, 1): rises of 1, 3 and 2.
    const { attributions } = await lift(model, [1, 4, 2, 3], [3, 0, 1, 1]);
    expectClose(attributions.data, [0, 4, 0, 2]);
  });
});

describe('operators that are taken apart', () => {
  const random = createRandom(3);
  const numbers = (count: number, low = -1, high = 1) => {
    const data = new Float32Array(count);
    random.fillUniform(data, low, high);
    return [...data];
  };
  /** Weighs outputs so that normalised ones do not add up to a constant. */
  const weighed = (g: GraphBuilder, y: Value) =>
    g.mul(y, constant(g, y.shape.slice(1), numbersOf(sizeOf(y.shape.slice(1)))));
  const numbersOf = (count: number) => Array.from({ length: count }, (_, i) => Math.sin(3 * i + 1));
  const vector = (g: GraphBuilder, length: number, start: number) =>
    constant(
      g,
      [length],
      Array.from({ length }, (_, i) => start + 0.3 * i),
    );

  it.each<[string, (g: GraphBuilder, x: Value) => Value]>([
    ['Softmax', (g, x) => g.op('Softmax', [x], { axis: -1 })],
    ['Softmax over channels', (g, x) => g.op('Softmax', [g.scale(x, 30)], { axis: 1 })],
    ['LogSoftmax', (g, x) => g.op('LogSoftmax', [x], { axis: 2 })],
    ['ReduceLogSumExp', (g, x) => g.op('ReduceLogSumExp', [g.scale(x, 60), g.integers([1, 2])], { keepdims: 0 })],
    ['ReduceL1', (g, x) => g.op('ReduceL1', [x, g.integers([1])])],
    ['ReduceL2', (g, x) => g.op('ReduceL2', [x, g.integers([-1])], { keepdims: 0 })],
    ['ReduceSumSquare', (g, x) => g.op('ReduceSumSquare', [x, g.integers([1, 2, 3])])],
    ['ReduceLogSum', (g, x) => g.op('ReduceLogSum', [g.exp(x), g.integers([2])])],
    ['ReduceMin', (g, x) => g.op('ReduceMin', [x, g.integers([2])])],
    ['GlobalLpPool', (g, x) => g.op('GlobalLpPool', [x], { p: 2 })],
    ['LpNormalization', (g, x) => g.op('LpNormalization', [x], { axis: 1, p: 2 })],
    ['LpNormalization by magnitudes', (g, x) => g.op('LpNormalization', [x], { axis: -1, p: 1 })],
    ['LayerNormalization', (g, x) => g.op('LayerNormalization', [x, vector(g, 5, 1), vector(g, 5, 0)], { axis: -1 })],
    ['InstanceNormalization', (g, x) => g.op('InstanceNormalization', [x, vector(g, 3, 1), vector(g, 3, 0)])],
    ['LRN', (g, x) => g.op('LRN', [x], { size: 3, alpha: 2, beta: 0.75, bias: 1 })],
    ['attention', (g, x) => g.matmul(g.op('Softmax', [g.matmul(x, g.matrixTranspose(x))], { axis: -1 }), x)],
    ['Einsum', (g, x) => g.op('Einsum', [x, g.tanh(x)], { equation: 'nchw,ndhw->ncd' })],
    ['a filter made of the image', (g, x) => g.mul(x, g.sigmoid(g.op('GlobalAveragePool', [x])))],
    ['GELU', (g, x) => g.mul(x, g.offset(g.op('Erf', [g.scale(x, Math.SQRT1_2)]), 1))],
  ])('%s adds up', async (_, write) => {
    const model = summed([3, 4, 5], (g, x) => weighed(g, write(g, x)));
    expectComplete(await lift(model, numbers(60), numbers(60)));
  });

  it('softmax far from the baseline stays finite', async () => {
    const model = summed([4], (g, x) => g.mul(g.op('Softmax', [x], { axis: 1 }), constant(g, [4], [1, 2, 3, 5])));
    const { attributions, certificate } = await lift(model, [500, 0, 0, -300], [0, 0, 0, 400]);
    expect([...attributions.data].every(Number.isFinite)).toBe(true);
    expectClose([certificate!.completeness![0]!.sum], [-4]);
  });
});

describe('DeepLIFT', () => {
  const images = noiseImages(3, [2, 2, 3]);
  const network = (activation: 'Relu' | 'Tanh') =>
    new Classifier(networkModel({ inputShape: [2, 2, 3], classes: 3, activation, bias: true }), runtime);

  it.each<DeepLiftRule>(['rescale', 'reveal-cancel', 'reveal-cancel-on-dense'])(
    'is gradient × (x − baseline) on a linear network: %s',
    async (rule) => {
      const weights = [0, 1, 2].map((k) => Array.from({ length: 12 }, (_, i) => Math.sin(3 * k + i)));
      const affine = new Classifier(affineModel([2, 2, 3], weights, [0.1, 0.2, 0.3]), runtime);
      const baseline = noiseImages(1, [2, 2, 3], 5);
      const { attributions } = await attribute(affine, { images, method: deepLift({ baseline, rule }), target: 1 });
      expectClose(
        attributions.data,
        Array.from(images.data, (x, i) => weights[1]![i % 12]! * (x - baseline.data[i % 12]!)),
      );
      const black = await attribute(affine, { images, method: deepLift({ rule }), target: 1 });
      const product = await attribute(affine, { images, method: gradientTimesInput(), target: 1 });
      expectClose(black.attributions.data, [...product.attributions.data]);
    },
  );

  it('is integrated gradients on a network with one layer of ReLUs', async () => {
    const relu = network('Relu');
    for (const of of ['logit', { minus: 2 }] as const) {
      const options = { images, target: 0, of };
      const lifted = await attribute(relu, { ...options, method: deepLift() });
      const integrated = await attribute(relu, { ...options, method: integratedGradients({ steps: 4000 }) });
      expectClose(lifted.attributions.data, [...integrated.attributions.data], 1e-3);
      expectComplete(lifted);
    }
  });

  it.each(['probability', 'log-probability', 'loss', 'margin'] as const)('explains the %s', async (of) => {
    expectComplete(
      await attribute(network('Tanh'), { images, method: deepLift({ baseline: 'white' }), target: 1, of }),
    );
  });

  it('explains a unit inside the network and the elements of a layer', async () => {
    const deep = modelOf([4], 2, (g, x) => {
      const layer = (from: Value, seed: number) =>
        g.matmul(
          from,
          constant(
            g,
            [4, 4],
            Array.from({ length: 16 }, (_, i) => Math.sin(seed * i + 1)),
          ),
        );
      const hidden = g.rename(g.relu(layer(x, 2)), 'hidden');
      const second = g.rename(g.tanh(layer(hidden, 5)), 'second');
      // Part of the image goes past the layer.
      const top = g.add(g.mul(second, x), hidden);
      return g.rename(g.slice(top, { starts: [0], ends: [2], axes: [1] }), 'logits');
    });
    const classifier = new Classifier(deep, runtime);
    const batch = noiseImages(3, [4], 8);
    const unit = await attribute(classifier, { images: batch, method: deepLift(), of: { unit: 'second:2' } });
    expectComplete(unit);
    const direct = await attribute(classifier, {
      images: batch,
      method: deepLift(),
      of: { unit: 'second:2' },
      layer: 'hidden',
    });
    expectComplete(direct);
    const layer = await attribute(classifier, { images: batch, method: deepLift(), target: 1, layer: 'second' });
    expect(layer.attributions.shape).toEqual([3, 4]);
    expectComplete(layer);
    // Only the second element of the layer is in this logit, times an input that stays.
    const values = (await attribute(classifier, { images: batch, method: deepLift(), of: { unit: 'second:1' } }))
      .certificate!;
    expectClose(
      layer.attributions.data,
      [0, 1, 2].flatMap((n) => [0, values.completeness![n]!.difference * batch.data[n * 4 + 1]!, 0, 0]),
    );
  });

  it('handles weights and activations that are used more than once', async () => {
    const reused = summed([4], (g, x) => {
      const weights = constant(
        g,
        [4, 4],
        Array.from({ length: 16 }, (_, i) => Math.cos(2 * i)),
      );
      const block = (from: Value) => g.add(from, g.relu(g.matmul(from, weights)));
      return block(block(block(x)));
    });
    expectComplete(await lift(reused, [0.5, -1, 2, 0.3], [0, 0.2, 1, -1]));
  });

  it('a random network has the same noise at image and baseline', async () => {
    const noisy = summed([4], (g, x) => g.relu(g.add(x, g.op('RandomNormal', [], { shape: [1, 4], scale: 5 }))));
    const { attributions } = await lift(noisy, [0.5, 0.1, 0.2, 0.3], [0, 0, 0, 0]);
    expect([...attributions.data].every((value, i) => value >= 0 && value <= [0.5, 0.1, 0.2, 0.3][i]! + 1e-6)).toBe(
      true,
    );
  });

  it('averages over several baselines', async () => {
    const average = noiseImages(4, [2, 2, 3], 9);
    const options = { images, target: 1 };
    const found = await attribute(network('Tanh'), { ...options, method: deepLift({ baseline: { average } }) });
    const single: Attribution[] = [];
    for (let k = 0; k < 4; k++)
      single.push(
        await attribute(network('Tanh'), { ...options, method: deepLift({ baseline: rows(average, k, k + 1) }) }),
      );
    expectClose(
      found.attributions.data,
      Array.from(images.data, (_, i) => single.reduce((sum, { attributions }) => sum + attributions.data[i]! / 4, 0)),
    );
    expectComplete(found);
  });

  it.each<DeepLiftRule>(['rescale', 'reveal-cancel'])('gives the same for any batch size: %s', async (rule) => {
    const method = deepLift({ baseline: 'mean', rule });
    const whole = await attribute(network('Relu'), { images, method, target: 1 });
    expect(whole.cost).toEqual({ forwards: 6, backwards: 3 });
    for (const batchSize of [1, 2]) {
      const parts = await attribute(network('Relu'), { images, method, target: 1, batchSize });
      expectClose(parts.attributions.data, [...whole.attributions.data], 2e-6);
    }
  });
});

it('refuses a rule that there is not', async () => {
  const rule = 'linear' as DeepLiftRule;
  const refusal = await lift(affineModel([2], [[1, 2]]), [1, 1], [0, 0], { rule }).catch((error) => error);
  expect(refusal).toBeInstanceOf(UsageError);
  expect(refusal.message).toBe(
    "DeepLIFT has no rule 'linear': there are rescale, reveal-cancel, reveal-cancel-on-dense",
  );
});

describe('RevealCancel', () => {
  /** min(a, b) = a − max(a − b, 0): the example of Shrikumar et al. 2017, §3.5.2. */
  const minimum = modelOf([2], 1, (g, x) => {
    const difference = g.relu(g.op('Gemm', [x, constant(g, [1, 2], [1, -1])], { transB: 1 }));
    const first = g.op('Gemm', [x, constant(g, [1, 2], [1, 0])], { transB: 1 });
    return g.rename(g.sub(first, difference), 'logits');
  });

  it('gives half of the minimum to each input, where the rescale rule sees one alone', async () => {
    for (const [x, least] of [
      [[3, 1], 1],
      [[1, 4], 1],
    ] as const) {
      const revealed = await lift(minimum, x, [0, 0], { rule: 'reveal-cancel' });
      expectClose(revealed.attributions.data, [least / 2, least / 2]);
    }
    expectClose((await lift(minimum, [3, 1], [0, 0])).attributions.data, [0, 1]);
  });

  it('is eqs. of §3.5.2 on two layers, with the zero differences of §3.4', async () => {
    const random = createRandom(11);
    const draw = (count: number) => {
      const data = new Float32Array(count);
      random.fillNormal(data, 0, 1);
      return [...data];
    };
    const [first, bias, second] = [draw(5 * 4), draw(5), draw(5)];
    const model = modelOf([4], 1, (g, x) => {
      const hidden = g.op('Gemm', [x, constant(g, [5, 4], first), constant(g, [5], bias)], { transB: 1 });
      return g.rename(g.op('Gemm', [g.relu(hidden), constant(g, [1, 5], second)], { transB: 1 }), 'logits');
    });
    const x = [0.8, -1.2, 0.5, 1.1];
    const x0 = [0.1, 0.4, 0.5, -0.3];
    const f = (value: number) => Math.max(value, 0);
    const expected = [0, 0, 0, 0];
    for (let unit = 0; unit < 5; unit++) {
      const parts = x.map((value, i) => first[unit * 4 + i]! * (value - x0[i]!));
      const start = x0.reduce((sum, value, i) => sum + first[unit * 4 + i]! * value, bias[unit]!);
      const up = parts.reduce((sum, part) => sum + Math.max(part, 0), 0);
      const down = parts.reduce((sum, part) => sum + Math.min(part, 0), 0);
      const raised = 0.5 * (f(start + up) - f(start)) + 0.5 * (f(start + down + up) - f(start + down));
      const lowered = 0.5 * (f(start + down) - f(start)) + 0.5 * (f(start + up + down) - f(start + up));
      parts.forEach((part, i) => {
        if (part > 0) expected[i]! += (second[unit]! * raised * part) / up;
        if (part < 0) expected[i]! += (second[unit]! * lowered * part) / down;
      });
    }
    expectClose((await lift(model, x, x0, { rule: 'reveal-cancel' })).attributions.data, expected);
    const dense = await lift(model, x, x0, { rule: 'reveal-cancel-on-dense' });
    expectClose(dense.attributions.data, expected);
  });

  it('keeps to the rescale rule after convolutions, where it is asked for after dense layers', async () => {
    const network = (dense: boolean) =>
      modelOf([1, 4, 4], 2, (g, x) => {
        const weights = Array.from({ length: 27 }, (_, i) => Math.sin(2 * i));
        const image = g.relu(g.op('Conv', [x, constant(g, [3, 1, 3, 3], weights)]));
        const flat = g.op('Flatten', [image], { axis: 1 });
        const layer = (from: Value, out: number, seed: number) =>
          g.op(
            'Gemm',
            [
              from,
              constant(
                g,
                [out, from.shape[1]!],
                Array.from({ length: out * from.shape[1]! }, (_, i) => Math.cos(seed * i)),
              ),
            ],
            { transB: 1 },
          );
        return g.rename(layer(dense ? g.relu(layer(flat, 6, 3)) : flat, 2, 5), 'logits');
      });
    const [x, x0] = [noiseImages(1, [1, 4, 4], 2), noiseImages(1, [1, 4, 4], 3)].map(({ data }) => [...data]) as [
      number[],
      number[],
    ];
    const maps = async (dense: boolean) => {
      const by = async (rule: DeepLiftRule) => {
        const found = await lift(network(dense), x, x0, { rule });
        expectComplete(found);
        return [...found.attributions.data];
      };
      return {
        rescale: await by('rescale'),
        reveal: await by('reveal-cancel'),
        mixed: await by('reveal-cancel-on-dense'),
      };
    };
    const furthest = (a: number[], b: number[]) => Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
    const convolutional = await maps(false);
    expectClose(convolutional.mixed, convolutional.rescale);
    expect(furthest(convolutional.reveal, convolutional.rescale)).toBeGreaterThan(1e-3);
    const both = await maps(true);
    expect(furthest(both.mixed, both.rescale)).toBeGreaterThan(1e-3);
    expect(furthest(both.mixed, both.reveal)).toBeGreaterThan(1e-3);
  });

  it('adds up behind every kind of layer between weights and activation', async () => {
    const network = summed([3, 4, 4], (g, x) => {
      const per = (start: number, step: number) => constant(g, [3], [start, start + step, start + 2 * step]);
      const weights = Array.from({ length: 27 }, (_, i) => Math.sin(2 * i));
      const conv = (from: Value) =>
        g.op('Conv', [from, constant(g, [3, 3, 1, 1], weights.slice(0, 9)), per(0.1, -0.2)]);
      const normalised = g.op('BatchNormalization', [conv(x), per(-1, 0.8), per(0, 0.1), per(0.2, 0.1), per(1, 0.5)]);
      const [left, right] = g.split(g.tanh(normalised), [2, 1], 1) as [Value, Value];
      const joined = g.concat([g.relu(g.neg(left)), g.scale(right, -2)], 1);
      const pooled = g.op('AveragePool', [g.add(conv(joined), x)], { kernel_shape: [2, 2], strides: [2, 2] });
      const gated = g.mul(g.sigmoid(pooled), g.op('HardSwish', [pooled]));
      const largest = g.op('MaxPool', [g.relu(conv(gated))], { kernel_shape: [2, 2] });
      return g.relu(
        g.sub(
          g.constant(0.3),
          g.matmul(g.op('Flatten', [largest], { axis: 1 }), constant(g, [3, 3], weights.slice(9, 18))),
        ),
      );
    });
    const [x, x0] = [noiseImages(1, [3, 4, 4], 2), noiseImages(1, [3, 4, 4], 3)].map(({ data }) => [...data]) as [
      number[],
      number[],
    ];
    for (const rule of ['rescale', 'reveal-cancel', 'reveal-cancel-on-dense'] as const)
      expectComplete(await lift(network, x, x0, { rule }));
  });

  it('goes through an activation straight behind a layer or the input: each of its elements is a unit of its own', async () => {
    const weights = [0.7, -1.2, 0.4, 1.5];
    const model = modelOf([4], 1, (g, x) => {
      const before = g.rename(g.sub(x, constant(g, [4], [0.2, 0.6, -0.1, 0.5])), 'before');
      return g.rename(g.matmul(g.relu(before), constant(g, [4, 1], weights)), 'logits');
    });
    // Through the kink upwards and downwards, beside it, and not at all.
    const x = [0.9, 0.1, 0.8, 0.4];
    const x0 = [-0.3, 1.2, 0.3, 0.4];
    const f = (value: number, i: number) => Math.max(value - [0.2, 0.6, -0.1, 0.5][i]!, 0);
    const expected = weights.map((weight, i) => weight * (f(x[i]!, i) - f(x0[i]!, i)));
    for (const rule of ['reveal-cancel', 'reveal-cancel-on-dense'] as const)
      for (const layer of [undefined, 'before']) {
        const found = await lift(model, x, x0, { rule, ...(layer !== undefined && { layer }) });
        expectClose(found.attributions.data, expected);
        expectComplete(found);
      }
  });

  it.each(['convolved', 'normalised', 'rectified', 'hidden', 'gated'])('adds up at the layer %s', async (layer) => {
    const numbers = (count: number, step: number) => Array.from({ length: count }, (_, i) => Math.sin(step * (i + 1)));
    const model = modelOf([2, 4, 4], 2, (g, x) => {
      const convolved = g.rename(g.op('Conv', [x, constant(g, [3, 2, 3, 3], numbers(54, 2))]), 'convolved');
      const normalised = g.rename(g.offset(g.scale(convolved, -0.8), 0.1), 'normalised');
      const rectified = g.rename(g.relu(normalised), 'rectified');
      const flat = g.op('Flatten', [rectified], { axis: 1 });
      const hidden = g.rename(g.matmul(flat, constant(g, [12, 5], numbers(60, 3))), 'hidden');
      const gated = g.rename(g.mul(g.sigmoid(hidden), g.tanh(hidden)), 'gated');
      return g.rename(g.matmul(g.relu(gated), constant(g, [5, 2], numbers(10, 5))), 'logits');
    });
    const [x, x0] = [noiseImages(1, [2, 4, 4], 2), noiseImages(1, [2, 4, 4], 3)].map(({ data }) => [...data]) as [
      number[],
      number[],
    ];
    for (const rule of ['rescale', 'reveal-cancel', 'reveal-cancel-on-dense'] as const)
      expectComplete(await lift(model, x, x0, { rule, layer }));
  });
});
