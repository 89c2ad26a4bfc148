import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { modelOf, networkModel, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { concatRows, rows, type Tensor } from '../tensor.ts';
import { type AttributeOptions, attribute } from './attribute.ts';
import type { Baseline } from './baseline.ts';
import { integratedGradients } from './integrated-gradients.ts';
import type { QuadratureRule } from './quadrature.ts';
import { furthest } from './testing/furthest.ts';

const SHAPE = [2, 2, 3];
const SIZE = 12;
const images = noiseImages(4, SHAPE);

let runtime: Runtime;
let smooth: Classifier;
let rectified: Classifier;
/** Σ x³ */
let cubic: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  smooth = new Classifier(networkModel({ inputShape: SHAPE, classes: 3, activation: 'Tanh', bias: true }), runtime);
  rectified = new Classifier(networkModel({ inputShape: SHAPE, classes: 3, activation: 'Relu', bias: true }), runtime);
  cubic = new Classifier(
    modelOf([3], 1, (g, x) => g.rename(g.reduceSum(g.mul(x, g.mul(x, x)), [1], true), 'logits')),
    runtime,
  );
});
afterAll(() => runtime.close());

type Options = Parameters<typeof integratedGradients>[0];
const explain = (classifier: Classifier, method: Options, options: Partial<AttributeOptions> = {}) =>
  attribute(classifier, { images, target: 0, method: integratedGradients(method), ...options });

describe('rules', () => {
  const x = { shape: [1, 3], data: Float32Array.of(0.5, -1, 2) };

  // ∫ t² by the rule: the gradient of Σ x³ on the way from black is 3 t² x².
  it.each<[QuadratureRule, number, number]>([
    ['left', 2, 0.125],
    ['right', 2, 0.625],
    ['midpoint', 2, 0.3125],
    ['trapezoid', 3, 0.375],
    ['gauss-legendre', 2, 1 / 3],
    ['captum-trapezoid', 3, 0.25],
  ])('%s with %i points', async (rule, steps, square) => {
    const global = await explain(cubic, { rule, steps }, { images: x });
    expect(
      furthest(
        global.attributions.data,
        x.data.map((value) => 3 * square * value ** 3),
      ),
    ).toBeLessThan(1e-5);
    expect(global.certificate!.points).toEqual([steps]);
    const local = await explain(cubic, { rule, steps, local: true }, { images: x });
    expect(
      furthest(
        local.attributions.data,
        x.data.map((value) => 3 * square * value ** 2),
      ),
    ).toBeLessThan(1e-5);
    expect(local.certificate!.completeness).toEqual(global.certificate!.completeness);
  });
});

describe('adaptive', () => {
  it('takes as many points as each image needs, where the slope changes', async () => {
    // The last image is the baseline itself.
    const all = concatRows([images, { shape: [1, ...SHAPE], data: new Float32Array(SIZE) }]);
    const { attributions, certificate, cost } = await explain(rectified, { rule: 'adaptive' }, { images: all });
    const { points, completeness, quadratureError } = certificate!;
    for (const { relativeError } of completeness!) expect(relativeError).toBeLessThanOrEqual(1e-3);
    expect(points![4]).toBe(16);
    expect(new Set(points!).size).toBeGreaterThan(2);
    // One midpoint after the other would take more than a thousand for some of these.
    expect(Math.max(...points!)).toBeLessThan(150);
    expect(cost.backwards).toBeLessThan(1.5 * points!.reduce((a, b) => a + b, 0));
    const { attributions: exact } = await explain(rectified, { steps: 5000 }, { images: all });
    const largest = furthest(exact.data, new Float32Array(exact.data.length));
    expect(furthest(attributions.data, exact.data)).toBeLessThan(2e-3 * largest);
    for (let i = 0; i < 4; i++) {
      expect(quadratureError![i]).toBeGreaterThan(0);
      expect(quadratureError![i]).toBeLessThan(0.02);
    }
  });

  it('stops at the stated maximum and says how far it got', async () => {
    const { certificate } = await explain(rectified, { rule: 'adaptive', steps: 2, maxSteps: 20, tolerance: 0 });
    expect(Math.max(...certificate!.points!)).toBeLessThanOrEqual(20);
    expect(Math.min(...certificate!.points!)).toBeGreaterThan(6);
    expect(Math.max(...certificate!.completeness!.map(({ relativeError }) => relativeError))).toBeGreaterThan(1e-4);
  });

  it.each<[Options, RegExp]>([
    [{ maxSteps: 40 }, /^maxSteps must be 48 or more, three times the steps, not 40$/],
    [{ tolerance: -1 }, /^tolerance must be 0 or more, not -1$/],
    [{ steps: 0 }, /^steps must be a whole number, 1 or more, not 0$/],
  ])('refuses %j', (options, message) =>
    expect(explain(smooth, { rule: 'adaptive', ...options })).rejects.toThrow(message),
  );
});

describe('batches', () => {
  it('are shared by images when there are more places than points', async () => {
    const done: number[] = [];
    const onProgress = (progress: { done: number }) => done.push(progress.done);
    await explain(smooth, { steps: 5 }, { batchSize: 20, onProgress });
    expect(done).toEqual([20]);
  });

  it('do not change the result', async () => {
    for (const method of [
      { steps: 5 },
      { rule: 'adaptive', steps: 3 },
      { baseline: { uniform: 3 }, steps: 4 },
    ] as const) {
      const whole = await explain(smooth, method, { batchSize: 64 });
      for (const batchSize of [1, 7]) {
        const parts = await explain(smooth, method, { batchSize });
        expect(furthest(parts.attributions.data, whole.attributions.data)).toBeLessThan(2e-6);
        expect(parts.certificate!.points).toEqual(whole.certificate!.points);
      }
    }
  });

  it('are of the one size that a model is made for', async () => {
    const { description } = smooth;
    const inputs = description.graph.inputs.map((input) => ({ ...input, shape: [3, ...SHAPE] }));
    const fixed = new Classifier({ ...description, graph: { ...description.graph, inputs } }, runtime);
    for (const method of [{ steps: 5 }, { rule: 'adaptive', steps: 3 }] as const) {
      const free = await explain(smooth, method);
      const found = await explain(fixed, method);
      expect(furthest(found.attributions.data, free.attributions.data)).toBeLessThan(2e-6);
    }
  });

  it('keep a gradient that is not finite to its own image', async () => {
    const inverse = new Classifier(
      modelOf([2], 1, (g, x) => g.rename(g.reduceSum(g.div(g.constant(1), x), [1], true), 'logits')),
      runtime,
    );
    const x = { shape: [2, 2], data: Float32Array.of(0.5, 1, 1, 1) };
    const baseline = { shape: [2, 2], data: Float32Array.of(0, 1, 1, 0.5) };
    const { attributions } = await explain(inverse, { rule: 'left', steps: 20, baseline }, { images: x });
    expect([...attributions.data.subarray(0, 2)]).toEqual([Number.NaN, Number.NaN]);
    const alone = { images: rows(x, 1, 2), baseline: rows(baseline, 1, 2) };
    const other = await explain(
      inverse,
      { rule: 'left', steps: 20, baseline: alone.baseline },
      { images: alone.images },
    );
    expect(furthest(attributions.data.subarray(2), other.attributions.data)).toBeLessThan(1e-6);
    expect(other.attributions.data[1]).toBeLessThan(-1);
  });
});

describe('several baselines', () => {
  const background = noiseImages(3, SHAPE, 8);

  it('are averaged over', async () => {
    const { attributions, baseOutput, certificate } = await explain(smooth, {
      baseline: { average: background },
      steps: 8,
    });
    const parts = await Promise.all(
      [0, 1, 2].map((k) => explain(smooth, { baseline: rows(background, k, k + 1), steps: 8 })),
    );
    const mean = (of: (part: (typeof parts)[0]) => number) => parts.reduce((sum, part) => sum + of(part) / 3, 0);
    expect(
      furthest(
        attributions.data,
        attributions.data.map((_, k) => mean((part) => part.attributions.data[k]!)),
      ),
    ).toBeLessThan(1e-6);
    for (let i = 0; i < 4; i++) {
      expect(baseOutput![i]).toBeCloseTo(
        mean((part) => part.baseOutput![i]!),
        5,
      );
      const { sum, difference } = certificate!.completeness![i]!;
      expect(sum).toBeCloseTo(
        mean((part) => part.certificate!.completeness![i]!.sum),
        5,
      );
      expect(difference).toBeCloseTo(
        mean((part) => part.certificate!.completeness![i]!.difference),
        5,
      );
    }
    expect(certificate!.points).toEqual([24, 24, 24, 24]);
    expect(certificate!.standardError).toBeUndefined();
  });

  it('drawn at random come with the standard error of their mean', async () => {
    // Of the affine Σ w x, attributions w (x − u) have the standard error w / √(12 n): here all w are 1.
    const sum = new Classifier(
      modelOf([50], 1, (g, x) => g.rename(g.reduceSum(x, [1], true), 'logits')),
      runtime,
    );
    const x = { shape: [1, 50], data: new Float32Array(50).fill(2) };
    const { attributions, certificate } = await explain(sum, { baseline: { uniform: 40 }, steps: 1 }, { images: x });
    const largest = Math.max(...attributions.data);
    expect(certificate!.standardError![0]! * largest * Math.sqrt(12 * 40)).toBeCloseTo(1, 1);
  });

  it('one for each image, each starts at its own', async () => {
    const starts = noiseImages(4, SHAPE, 9);
    const { attributions } = await explain(smooth, { baseline: starts, steps: 6 });
    for (let i = 0; i < 4; i++) {
      const baseline = rows(starts, i, i + 1);
      const alone = await explain(smooth, { baseline, steps: 6 }, { images: rows(images, i, i + 1) });
      expect(furthest(alone.attributions.data, rows(attributions, i, i + 1).data)).toBeLessThan(1e-6);
    }
  });
});

describe('of a layer', () => {
  const x = { shape: [2, 3], data: Float32Array.of(0.5, -1, 2, 1, 0.1, 0.3) };
  const sum = (data: Float32Array, i: number) => data.subarray(3 * i, 3 * i + 3).reduce((a, b) => a + b, 0);
  const baseline: Baseline = { shape: [3], data: Float32Array.of(0.2, 0.4, -0.3) };
  const at = (k: number) => baseline.data[k % 3]!;

  it('goes from its values at the baseline to those at the image', async () => {
    // h = 3 x, f = Σ h²: the share of h is h² − h₀².
    const squares = new Classifier(
      modelOf([3], 1, (g, input) => {
        const h = g.rename(g.scale(input, 3), 'h');
        return g.rename(g.reduceSum(g.square(h), [1], true), 'logits');
      }),
      runtime,
    );
    const { attributions, layer, certificate } = await explain(squares, { baseline }, { images: x, layer: 'h' });
    const shares = x.data.map((value, k) => 9 * value ** 2 - 9 * at(k) ** 2);
    expect(furthest(attributions.data, shares)).toBeLessThan(1e-4);
    expect(layer).toBe('h');
    expect(Math.max(...certificate!.completeness!.map(({ error }) => error))).toBeLessThan(1e-4);
  });

  it('leaves what goes past the layer as it is', async () => {
    // h = 3 x, f = Σ h x: the share of h is (h − h₀) x, and at the baseline of h there is Σ h₀ x.
    const past = new Classifier(
      modelOf([3], 1, (g, input) => {
        const h = g.rename(g.scale(input, 3), 'h');
        return g.rename(g.reduceSum(g.mul(h, input), [1], true), 'logits');
      }),
      runtime,
    );
    const { attributions, baseOutput, certificate } = await explain(past, { baseline }, { images: x, layer: 'h' });
    const shares = x.data.map((value, k) => 3 * (value - at(k)) * value);
    expect(furthest(attributions.data, shares)).toBeLessThan(1e-4);
    const atBase = x.data.map((value, k) => 3 * at(k) * value);
    expect(furthest(baseOutput!, [sum(atBase, 0), sum(atBase, 1)])).toBeLessThan(1e-4);
    expect(Math.max(...certificate!.completeness!.map(({ error }) => error))).toBeLessThan(1e-4);
  });
});

it('refuses a layer that mixes the images', async () => {
  const turned = new Classifier(
    modelOf([3], 1, (g, input) => {
      const h = g.rename(g.transpose(input, [1, 0]), 'h');
      return g.rename(g.reduceSum(g.transpose(g.square(h), [1, 0]), [1], true), 'logits');
    }),
    runtime,
  );
  await expect(explain(turned, {}, { images: noiseImages(2, [3]), layer: 'h' })).rejects.toThrow(
    /^the layer 'h' has shape \[3, 2\] for 2 images: its first axis must be that of the images$/,
  );
});

describe('axioms', () => {
  const x: Tensor = noiseImages(3, [1, 4, 4], 5);
  const kernel = {
    dtype: 'float32',
    shape: [2, 1, 3, 3],
    data: Float32Array.from({ length: 18 }, (_, k) => Math.sin(2 * k)),
  } as const;
  const shift = Float32Array.of(0.1, -0.2);
  const top = {
    dtype: 'float32',
    shape: [2, 8],
    data: Float32Array.from({ length: 16 }, (_, k) => Math.cos(3 * k)),
  } as const;
  const attributionsOf = async (model: ReturnType<typeof modelOf>, of: Partial<AttributeOptions> = {}) =>
    (await explain(new Classifier(model, runtime), { steps: 20 }, { images: x, ...of })).attributions.data;

  it('implementation invariance: a convolution with batch norm, folded, and as a product', async () => {
    const [scale, mean, variance] = [
      [2, 0.5],
      [0.3, -0.4],
      [0.6, 1.7],
    ] as const;
    const model = (form: 'batch norm' | 'folded' | 'product') =>
      modelOf([1, 4, 4], 2, (g, input) => {
        const vector = (name: string, values: ArrayLike<number>) =>
          g.parameter(name, { dtype: 'float32', shape: [values.length], data: Float32Array.from(values) });
        const factor = scale.map((value, c) => value / Math.sqrt(variance[c]! + 1e-5));
        const folded = kernel.data.map((value, k) => value * factor[Math.floor(k / 9)]!);
        const bias = factor.map((value, c) => shift[c]! - mean[c]! * value);
        const hidden = () => {
          if (form === 'batch norm') {
            const convolved = g.op('Conv', [input, g.parameter('kernel', kernel)], { kernel_shape: [3, 3] });
            const parameters = [
              vector('scale', scale),
              vector('shift', shift),
              vector('mean', mean),
              vector('variance', variance),
            ];
            return g.op('BatchNormalization', [convolved, ...parameters], { epsilon: 1e-5 });
          }
          if (form === 'folded') {
            const weight = g.parameter('kernel', { ...kernel, data: folded });
            return g.op('Conv', [input, weight, vector('bias', bias)], { kernel_shape: [3, 3] });
          }
          // Row (c, y, x) of the matrix has the kernel of channel c at (y, x).
          const matrix = new Float32Array(8 * 16);
          for (let row = 0; row < 8; row++)
            for (let k = 0; k < 9; k++) {
              const [c, y, at] = [Math.floor(row / 4), Math.floor((row % 4) / 2), row % 2];
              matrix[row * 16 + (y + Math.floor(k / 3)) * 4 + at + (k % 3)] = folded[9 * c + k]!;
            }
          const weight = g.parameter('matrix', { dtype: 'float32', shape: [8, 16], data: matrix });
          const biases = vector(
            'bias',
            [0, 1, 2, 3, 4, 5, 6, 7].map((row) => bias[Math.floor(row / 4)]!),
          );
          return g.op('Gemm', [g.op('Flatten', [input], { axis: 1 }), weight, biases], { transB: 1 });
        };
        const flat = g.op('Flatten', [g.tanh(hidden())], { axis: 1 });
        return g.rename(g.op('Gemm', [flat, g.parameter('top', top)], { transB: 1 }), 'logits');
      });
    const expected = await attributionsOf(model('batch norm'));
    expect(furthest(await attributionsOf(model('folded')), expected)).toBeLessThan(1e-5);
    expect(furthest(await attributionsOf(model('product')), expected)).toBeLessThan(1e-5);
  });

  it('symmetry, dummy and linearity', async () => {
    // f = tanh(a + b) + a b · c, of which d is no part: a and b may be swapped.
    const parts = (which: readonly ('first' | 'second')[]) =>
      modelOf([4], 1, (g, input) => {
        const [a, b, c] = g.split(input, [1, 1, 1, 1], 1) as [typeof input, typeof input, typeof input];
        const terms = { first: g.tanh(g.add(a, b)), second: g.mul(g.mul(a, b), c) };
        return g.rename(g.sum(which.map((name) => terms[name])), 'logits');
      });
    const equal = { shape: [1, 4], data: Float32Array.of(0.7, 0.7, -1.3, 2) };
    const [whole, first, second] = await Promise.all(
      [['first', 'second'] as const, ['first'] as const, ['second'] as const].map((which) =>
        attributionsOf(parts(which), { images: equal }),
      ),
    );
    expect(whole![0]).toBeCloseTo(whole![1]!, 6);
    expect(whole![3]).toBe(0);
    expect(
      furthest(
        whole!,
        first!.map((value, k) => value + second![k]!),
      ),
    ).toBeLessThan(1e-6);
  });
});

it.each(['midpoint', 'adaptive'] as const)(
  'an infinite value of one image is no concern of the others, by the %s rule',
  async (rule) => {
    // f = Σ (log x)² / 2: from log b to log x, the share of each is half the change of its square.
    const logarithms = new Classifier(
      modelOf([2], 1, (g, x) => {
        const logs = g.rename(g.log(x), 'logs');
        return g.rename(g.reduceSum(g.scale(g.square(logs), 0.5), [1], true), 'logits');
      }),
      runtime,
    );
    const x = { shape: [3, 2], data: Float32Array.of(0.5, 1, 0.25, 0.125, 0.5, 0.5) };
    const baseline = { shape: [3, 2], data: Float32Array.of(0.5, 0.25, 0.5, 0, 0.25, 1) };
    const { attributions } = await explain(
      logarithms,
      { rule, steps: 4, maxSteps: 12, baseline },
      { images: x, layer: 'logs', batchSize: 64 },
    );
    const share = (k: number) => (Math.log(x.data[k]!) ** 2 - Math.log(baseline.data[k]!) ** 2) / 2;
    for (const image of [0, 2])
      expect(
        furthest(rows(attributions, image, image + 1).data, [share(2 * image), share(2 * image + 1)]),
      ).toBeLessThan(1e-6);
    expect(rows(attributions, 1, 2).data).toEqual(Float32Array.of(Number.NaN, Number.NaN));
  },
);
