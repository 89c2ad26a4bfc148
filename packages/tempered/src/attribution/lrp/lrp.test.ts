/** Rules against their formulas in double precision, and what holds for relevance in general. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../errors.ts';
import { Classifier, type ModelDescription } from '../../models/classifier.ts';
import { modelOf, networkModel, noiseImages } from '../../models/testing/small-models.ts';
import { createRandom } from '../../random.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { sizeOf, type Tensor } from '../../tensor.ts';
import { type AttributeOptions, attribute } from '../attribute.ts';
import { gradientTimesInput } from '../gradient.ts';
import { epsilonAlpha2Beta1, epsilonGammaBox, epsilonPlus, epsilonPlusFlat, uniformRules } from './composites.ts';
import { type Lrp, lrp } from './lrp.ts';
import {
  alphaBetaRule,
  boxRule,
  epsilonRule,
  flatRule,
  gammaRule,
  type LrpRule,
  passRule,
  wSquareRule,
  zeroRule,
  zPlusRule,
} from './rules.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const explain = (model: ModelDescription, options: AttributeOptions) =>
  attribute(new Classifier(model, runtime), options);

/** LRP with one rule in all layers, and sums shared exactly. */
const uniform = (rule: LrpRule): Lrp => lrp({ composite: uniformRules(rule, { other: zeroRule() }) });

const floats = (shape: readonly number[], seed: number, deviation = 1): Float32Array => {
  const data = new Float32Array(sizeOf(shape));
  createRandom(seed, 'lrp').fillNormal(data, 0, deviation);
  return data;
};

const parameter = (g: GraphBuilder, name: string, shape: readonly number[], data: Float32Array): Value =>
  g.parameter(name, { dtype: 'float32', shape, data });

function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5): void {
  const scale = Math.max(1e-3, ...Array.from(expected, Math.abs));
  const error = Math.max(...Array.from(expected, (value, i) => Math.abs(value - found[i]!)));
  expect(found).toHaveLength(expected.length);
  expect(error / scale).toBeLessThan(tolerance);
}

const sumOf = (data: ArrayLike<number>): number => Array.from(data).reduce((a, b) => a + b, 0);

describe('rules', () => {
  const [FROM, TO] = [5, 3];
  // Row i holds the weights of input i.
  const W = floats([FROM, TO], 1);
  const b = floats([TO], 2, 0.5);
  const x = floats([1, FROM], 3);
  const weight = (i: number, j: number) => W[i * TO + j]!;
  const plus = (v: number) => Math.max(v, 0);
  const minus = (v: number) => Math.min(v, 0);

  /** Relevance of the inputs when every output has its own value as relevance, from contributions of inputs and bias. */
  function shared(contribution: (i: number, j: number, z: number) => number, bias: (j: number, z: number) => number) {
    const result = new Float64Array(FROM);
    for (let j = 0; j < TO; j++) {
      let z = b[j]!;
      for (let i = 0; i < FROM; i++) z += x[i]! * weight(i, j);
      let total = bias(j, z);
      for (let i = 0; i < FROM; i++) total += contribution(i, j, z);
      for (let i = 0; i < FROM; i++) result[i]! += (contribution(i, j, z) / total) * z;
    }
    return result;
  }

  const product = (i: number, j: number) => x[i]! * weight(i, j);
  const γ = 0.3;
  const gammaContribution = (i: number, j: number, z: number) => product(i, j) * (1 + (product(i, j) * z > 0 ? γ : 0));
  const mixed = (α: number, β: number) => {
    const up = shared(
      (i, j) => plus(product(i, j)),
      (j) => plus(b[j]!),
    );
    const down = shared(
      (i, j) => minus(product(i, j)),
      (j) => minus(b[j]!),
    );
    return up.map((value, i) => α * value - β * down[i]!);
  };
  const exact = { epsilon: 0 };

  const formulas: Record<string, [LrpRule, () => ArrayLike<number>]> = {
    '0': [zeroRule(), () => shared(product, (j) => b[j]!)],
    '0, bias ignored': [zeroRule({ bias: 'ignored' }), () => shared(product, () => 0)],
    ε: [epsilonRule({ epsilon: 0.1 }), () => shared(product, (j, z) => b[j]! + 0.1 * Math.sign(z))],
    γ: [
      gammaRule({ gamma: γ, stabiliser: exact }),
      () => shared(gammaContribution, (j, z) => b[j]! * (1 + (b[j]! * z > 0 ? γ : 0))),
    ],
    'γ, bias kept': [
      gammaRule({ gamma: γ, bias: 'kept', stabiliser: exact }),
      () => shared(gammaContribution, (j) => b[j]!),
    ],
    'γ, not generalised': [
      gammaRule({ gamma: γ, generalised: false, stabiliser: exact }),
      () =>
        shared(
          (i, j) => x[i]! * (weight(i, j) + γ * plus(weight(i, j))),
          (j) => b[j]! + γ * plus(b[j]!),
        ),
    ],
    'z⁺': [
      zPlusRule({ stabiliser: exact }),
      () =>
        shared(
          (i, j) => plus(product(i, j)),
          (j) => plus(b[j]!),
        ),
    ],
    'z⁺, bias ignored': [
      zPlusRule({ bias: 'ignored', stabiliser: exact }),
      () =>
        shared(
          (i, j) => plus(product(i, j)),
          () => 0,
        ),
    ],
    αβ: [alphaBetaRule({ stabiliser: exact }), () => mixed(2, 1)],
    zB: [
      boxRule({ low: -4, high: 3, stabiliser: exact }),
      () =>
        shared(
          (i, j) => product(i, j) + 4 * plus(weight(i, j)) - 3 * minus(weight(i, j)),
          () => 0,
        ),
    ],
    'w²': [
      wSquareRule({ stabiliser: exact }),
      () =>
        shared(
          (i, j) => weight(i, j) ** 2,
          (j) => b[j]! ** 2,
        ),
    ],
    flat: [
      flatRule({ stabiliser: exact }),
      () =>
        shared(
          () => 1,
          () => 0,
        ),
    ],
  };

  const transposed = (): Float32Array =>
    Float32Array.from({ length: FROM * TO }, (_, k) => weight(k % FROM, Math.floor(k / FROM)));
  /** The same layer in all its forms; each returns [N, TO]. */
  const forms: Record<string, (g: GraphBuilder, x: Value) => Value> = {
    Gemm: (g, x) => g.op('Gemm', [x, parameter(g, 'w', [FROM, TO], W), parameter(g, 'b', [TO], b)]),
    'Gemm with factors': (g, x) =>
      g.op(
        'Gemm',
        [
          x,
          parameter(
            g,
            'w',
            [TO, FROM],
            transposed().map((v) => v / -2),
          ),
          parameter(
            g,
            'b',
            [TO],
            b.map((v) => v / 4),
          ),
        ],
        { alpha: -2, beta: 4, transB: 1 },
      ),
    'MatMul and Add': (g, x) => g.add(parameter(g, 'b', [TO], b), g.matmul(x, parameter(g, 'w', [FROM, TO], W))),
    'weights from the left': (g, x) => {
      const column = g.op('Reshape', [x, g.integers([-1, FROM, 1])]);
      const products = g.matmul(parameter(g, 'w', [TO, FROM], transposed()), column);
      return g.op('Reshape', [g.add(products, parameter(g, 'b', [TO, 1], b)), g.integers([-1, TO])]);
    },
    Conv: (g, x) => {
      const image = g.op('Reshape', [x, g.integers([-1, FROM, 1, 1])]);
      const weights = parameter(g, 'w', [TO, FROM, 1, 1], transposed());
      return g.op('Flatten', [g.op('Conv', [image, weights, parameter(g, 'b', [TO], b)])], { axis: 1 });
    },
    ConvTranspose: (g, x) => {
      const image = g.op('Reshape', [x, g.integers([-1, FROM, 1, 1])]);
      const weights = parameter(g, 'w', [FROM, TO, 1, 1], W);
      return g.op('Flatten', [g.op('ConvTranspose', [image, weights, parameter(g, 'b', [TO], b)])], { axis: 1 });
    },
  };

  const images: Tensor = { shape: [1, FROM], data: x };
  for (const [form, write] of Object.entries(forms)) {
    it(`are their formulas in a layer written as ${form}`, async () => {
      const model = modelOf([FROM], 1, (g, input) => g.rename(g.reduceSum(write(g, input), [1], true), 'logits'));
      const classifier = new Classifier(model, runtime);
      for (const [name, [rule, formula]] of Object.entries(formulas)) {
        // There, the bias is a sum of its own, which shares relevance by the 0 rule.
        if (form === 'weights from the left' && name !== '0') continue;
        const { attributions } = await attribute(classifier, { images, method: uniform(rule), target: 0 });
        expectClose(attributions.data, formula(), 2e-5);
      }
      await classifier.release();
    });
  }
});

describe('normalisation is merged into layers', () => {
  const factor = [1.5, -0.7, 0.4];
  const mean = [0.3, -0.2, 0.5];
  const shift = [0.1, 0.2, -0.3];
  const variance = [0.9, 1.4, 0.5];
  const slope = factor.map((f, c) => f / Math.sqrt(variance[c]! + 1e-5));
  const kernel = floats([3, 3, 2, 2], 4, 0.5);
  const bias = floats([3], 5, 0.3);
  const [SIZE, CLASSES] = [4, 2];
  const vector = (g: GraphBuilder, name: string, values: readonly number[]) =>
    parameter(g, name, [values.length], Float32Array.from(values));
  const normalise = (g: GraphBuilder, x: Value) =>
    g.op('BatchNormalization', [
      x,
      vector(g, 'gain', factor),
      vector(g, 'shift', shift),
      vector(g, 'mean', mean),
      vector(g, 'variance', variance),
    ]);
  const spread = (g: GraphBuilder, values: readonly number[]) => g.constant(values, [3, 1, 1]);
  const convolve = (g: GraphBuilder, x: Value, weights: Float32Array, biases: Float32Array, pad = 0) =>
    g.op('Conv', [x, parameter(g, 'kernel', [3, 3, 2, 2], weights), parameter(g, 'bias', [3], biases)], {
      pads: [pad, pad, pad, pad],
    });
  const head = (g: GraphBuilder, features: Value) => {
    const flat = g.op('Flatten', [g.relu(features)], { axis: 1 });
    const size = flat.shape[1]!;
    return g.rename(g.op('Gemm', [flat, parameter(g, 'top', [size, CLASSES], floats([size, CLASSES], 6))]), 'logits');
  };
  const network = (write: (g: GraphBuilder, x: Value) => Value) =>
    modelOf([3, SIZE, SIZE], CLASSES, (g, x) => head(g, write(g, x)));

  /** Kernels with the factor of each output channel, or of each input channel; and biases with what shifts add to them. */
  const scaledOutputs = kernel.map((w, k) => w * slope[Math.floor(k / 12)]!);
  const shiftedOutputs = bias.map((v, c) => (v - mean[c]!) * slope[c]! + shift[c]!);
  const scaledInputs = kernel.map((w, k) => w * slope[Math.floor((k % 12) / 4)]!);
  const offsetOf = (c: number) => shift[c]! - mean[c]! * slope[c]!;
  const shiftedInputs = bias.map(
    (v, o) => v + sumOf(kernel.slice(o * 12, (o + 1) * 12).map((w, k) => w * offsetOf(Math.floor(k / 4)))),
  );

  const pairs: Record<string, { merged: ModelDescription; apart: ModelDescription }> = {
    'batch normalisation after a convolution': {
      merged: network((g, x) => convolve(g, x, scaledOutputs, shiftedOutputs)),
      apart: network((g, x) => normalise(g, convolve(g, x, kernel, bias))),
    },
    'products and sums after a convolution': {
      merged: network((g, x) => convolve(g, x, scaledOutputs, shiftedOutputs)),
      apart: network((g, x) => {
        const centred = g.sub(convolve(g, x, kernel, bias), spread(g, mean));
        return g.sub(spread(g, shift), g.neg(g.mul(spread(g, slope), centred)));
      }),
    },
    'batch normalisation before a convolution': {
      merged: network((g, x) => convolve(g, x, scaledInputs, shiftedInputs)),
      apart: network((g, x) => convolve(g, normalise(g, x), kernel, bias)),
    },
    'preprocessing of the image': {
      merged: network((g, x) => convolve(g, x, scaledInputs, shiftedInputs)),
      apart: network((g, x) => {
        const centred = g.sub(x, spread(g, mean));
        const divided = g.div(
          centred,
          spread(
            g,
            slope.map((s) => 1 / s),
          ),
        );
        return convolve(g, g.add(divided, spread(g, shift)), kernel, bias);
      }),
    },
    'preprocessing of each channel by itself': {
      merged: network((g, x) => convolve(g, x, scaledInputs, shiftedInputs)),
      apart: network((g, x) => {
        const channels = slope.map((s, c) => {
          const channel = g.slice(x, { starts: [c], ends: [c + 1], axes: [1] });
          return g.offset(g.scale(channel, s), offsetOf(c));
        });
        return convolve(g, g.concat(channels, 1), kernel, bias);
      }),
    },
  };

  const rules: Record<string, LrpRule> = {
    '0': zeroRule(),
    γ: gammaRule(),
    'z⁺, bias ignored': zPlusRule({ bias: 'ignored' }),
    αβ: alphaBetaRule(),
    zB: boxRule(),
    'w²': wSquareRule(),
  };
  const images = noiseImages(2, [3, SIZE, SIZE]);

  it.each(Object.entries(pairs))('%s', async (_, { merged, apart }) => {
    const [one, other] = [new Classifier(merged, runtime), new Classifier(apart, runtime)];
    for (const rule of Object.values(rules)) {
      const options = { images, method: lrp({ composite: { ...epsilonPlus(), convolution: rule } }), target: [0, 1] };
      const expected = await attribute(one, options);
      const found = await attribute(other, options);
      expectClose(found.output, expected.output);
      expectClose(found.attributions.data, expected.attributions.data, 5e-5);
    }
    await Promise.all([one.release(), other.release()]);
  });

  const normaliseByHand = (g: GraphBuilder, x: Value) =>
    g.div(
      g.sub(
        x,
        spread(
          g,
          slope.map((s, c) => -offsetOf(c) / s),
        ),
      ),
      spread(
        g,
        slope.map((s) => 1 / s),
      ),
    );
  const half = { kernel_shape: [2, 2], strides: [2, 2] };
  const earlier: Record<string, (g: GraphBuilder, x: Value) => Value> = {
    clipping: (g, x) => g.op('Clip', [x, g.constant(0), g.constant(1)]),
    'an average': (g, x) => g.op('AveragePool', [x], half),
    enlarging: (g, x) => g.op('Resize', [x, undefined, g.constant([1, 1, 2, 2], [4])], { mode: 'linear' }),
    // The size of a batch in it is put in by `resizingAnyBatch`.
    'a size': (g, x) => g.op('Resize', [x, undefined, undefined, g.integers([1, 3, 6, 5])], { mode: 'nearest' }),
    'each channel by itself': (g, x) => {
      const channels = g.split(x, [1, 1, 1], 1).map((channel) => g.op('MaxPool', [channel], half));
      return g.concat(channels, 1);
    },
  };

  /** Sizes as exporters write them: the length of the batch, then what is fixed. */
  function resizingAnyBatch(model: ModelDescription): ModelDescription {
    const { nodes, initializers } = model.graph;
    const resize = nodes.find(({ op, inputs }) => op === 'Resize' && inputs[3]);
    if (resize === undefined) return model;
    const node = (op: string, inputs: string[], attributes: Record<string, number>) => ({
      ...{ name: `sizes ${op}`, op, domain: '', inputs, outputs: [`sizes ${op}`] },
      attributes: Object.fromEntries(
        Object.entries(attributes).map(([name, value]) => [name, { kind: 'int' as const, value }]),
      ),
    });
    initializers.set('fixed sizes', { dtype: 'int64', shape: [3], data: BigInt64Array.of(3n, 6n, 5n) });
    nodes.unshift(
      node('Shape', ['input'], { start: 0, end: 1 }),
      node('Concat', ['sizes Shape', 'fixed sizes'], { axis: 0 }),
    );
    resize.inputs[3] = 'sizes Concat';
    return model;
  }

  it.each(Object.entries(earlier))('behind %s of the image', async (_, before) => {
    // Nothing of an image is clipped: relevance is that of a first layer that is given the image itself.
    const merged = network((g, x) => convolve(g, before(g, x), scaledInputs, shiftedInputs));
    const apart = network((g, x) => convolve(g, normaliseByHand(g, before(g, x)), kernel, bias));
    const methods = [
      lrp(),
      ...Object.values(rules).map((rule) => lrp({ composite: { ...epsilonPlus(), convolution: rule } })),
    ];
    const [one, other] = [merged, apart].map((model) => new Classifier(resizingAnyBatch(model), runtime)) as [
      Classifier,
      Classifier,
    ];
    for (const method of methods) {
      const options = { images, method, target: [0, 1] };
      const [expected, found] = [await attribute(one, options), await attribute(other, options)];
      expectClose(found.attributions.data, expected.attributions.data, 5e-5);
      const single = await attribute(other, { ...options, batchSize: 1 });
      expectClose(single.attributions.data, found.attributions.data);
    }
    await Promise.all([one.release(), other.release()]);
  });

  const stem = floats([3, 3, 2, 2], 12, 0.5);
  const behindFeatures: Record<string, (g: GraphBuilder, x: Value) => Value> = {
    'batch normalisation': (g, x) => convolve(g, normalise(g, x), kernel, bias),
    'products and sums': (g, x) => convolve(g, normaliseByHand(g, x), kernel, bias),
    'both sides of a convolution': (g, x) => {
      const unscaled = kernel.map((w, k) => w / slope[Math.floor(k / 12)]!);
      const unshifted = bias.map((v, c) => (v - offsetOf(c)) / slope[c]!);
      return normalise(g, convolve(g, normaliseByHand(g, x), unscaled, unshifted));
    },
  };

  it.each(Object.entries(behindFeatures))('deep in a network: %s behind features', async (_, write) => {
    const behind = (after: (g: GraphBuilder, x: Value) => Value) =>
      network((g, x) => {
        const features = g.op('Conv', [x, parameter(g, 'stem', [3, 3, 2, 2], stem)], { pads: [0, 0, 1, 1] });
        return after(g, g.rename(g.relu(features), 'features'));
      });
    const merged = behind((g, x) => convolve(g, x, scaledInputs, shiftedInputs));
    const [one, other] = [merged, behind(write)].map((model) => new Classifier(model, runtime)) as [
      Classifier,
      Classifier,
    ];
    const { zB: _box, ...others } = rules;
    const methods = [
      lrp(),
      ...Object.values(others).map((rule) => lrp({ composite: { ...epsilonPlus(), convolution: rule } })),
    ];
    for (const method of methods)
      for (const layer of [undefined, 'features']) {
        const options = { images, method, target: [0, 1], ...(layer !== undefined && { layer }) };
        const [expected, found] = [await attribute(one, options), await attribute(other, options)];
        expectClose(found.attributions.data, expected.attributions.data, 5e-5);
      }
    await Promise.all([one.release(), other.release()]);
  });

  it('the box of a first layer is that of the image, whatever comes before the layer', async () => {
    // Clipped to [0.2, 0.7] and turned around: as an input of its own in [−0.7, −0.2].
    const turned = network((g, x) =>
      convolve(g, g.neg(g.op('Clip', [x, g.constant(0.2), g.constant(0.7)])), kernel, bias),
    );
    const plain = network((g, x) => convolve(g, x, kernel, bias));
    const input = { ...images, data: images.data.map((value) => -Math.min(0.7, Math.max(0.2, value))) };
    const found = await explain(turned, { images, method: lrp(), target: [0, 1] });
    const method = lrp({ composite: epsilonGammaBox({ low: -0.7, high: -0.2 }) });
    const expected = await explain(plain, { images: input, method, target: [0, 1] });
    expectClose(found.attributions.data, expected.attributions.data);
  });

  it('a box that cannot be seen from the image is refused, by the name of the node', async () => {
    const squared = network((g, x) => convolve(g, normaliseByHand(g, g.mul(x, x)), kernel, bias));
    const attempt = explain(squared, { images, method: lrp(), target: [0, 1] });
    await expect(attempt).rejects.toThrow(UsageError);
    await expect(attempt).rejects.toThrow(
      /how low and high the layer's input may be: Mul '.+' between it and the image/,
    );
    const { certificate } = await explain(squared, {
      images,
      method: lrp({ composite: epsilonPlusFlat() }),
      target: [0, 1],
    });
    for (const { sum } of certificate!.completeness!) expect(Number.isFinite(sum)).toBe(true);
  });

  it('before a convolution with zero padding, where the shift is not the same everywhere', async () => {
    const padded = network((g, x) =>
      convolve(g, g.mul(g.sub(x, spread(g, mean)), spread(g, [2, 3, 4])), kernel, bias, 1),
    );
    const classifier = new Classifier(padded, runtime);
    const zero = await attribute(classifier, { images, method: lrp({ composite: uniformRules() }), target: [0, 1] });
    const slopes = await attribute(classifier, { images, method: gradientTimesInput(), target: [0, 1] });
    expectClose(zero.attributions.data, slopes.attributions.data);
    // Without dense biases and with the shift's relevance shared out, all of the logit arrives.
    for (const rule of [boxRule(), zPlusRule({ bias: 'ignored' }), flatRule()]) {
      const composite = { ...epsilonPlus(), convolution: rule };
      const { certificate } = await attribute(classifier, { images, method: lrp({ composite }), target: [0, 1] });
      for (const { relativeError } of certificate!.completeness!) expect(relativeError).toBeLessThan(1e-4);
    }
    await classifier.release();
  });

  it('not beyond what is explained, nor masks that come from the image', async () => {
    const normalised = network((g, x) => normalise(g, g.rename(convolve(g, x, kernel, bias), 'inner')));
    const masked = network((g, x) => {
      const pooled = g.op('GlobalAveragePool', [convolve(g, x, kernel, bias)]);
      return g.mul(pooled, g.cast(g.greater(pooled, g.constant(0.1)), 'float32'));
    });
    const questions = [
      { model: normalised, options: { of: { unit: 'inner:1' } } },
      { model: masked, options: { target: [0, 1] } },
      { model: masked, options: { target: [0, 1], batchSize: 1 } },
    ];
    for (const { model, options } of questions) {
      const zero = await explain(model, { images, method: lrp({ composite: uniformRules() }), ...options });
      const slopes = await explain(model, { images, method: gradientTimesInput(), ...options });
      expectClose(zero.attributions.data, slopes.attributions.data, 5e-5);
    }
  });

  it('padding by a node of its own is that of the convolution', async () => {
    const inside = network((g, x) => convolve(g, x, kernel, bias, 1));
    const before = network((g, x) => convolve(g, g.pad(x, [0, 0, 1, 1], [0, 0, 1, 1]), kernel, bias));
    for (const rule of [boxRule(), wSquareRule(), flatRule()]) {
      const options = { images, method: lrp({ composite: { ...epsilonPlus(), convolution: rule } }), target: [0, 1] };
      const [expected, found] = await Promise.all([inside, before].map((model) => explain(model, options)));
      expectClose(found!.attributions.data, expected!.attributions.data);
    }
  });

  it('not where something else reads what is between', async () => {
    const model = network((g, x) => {
      const features = convolve(g, x, kernel, bias);
      return g.add(normalise(g, features), features);
    });
    const zero = await explain(model, { images, method: lrp({ composite: uniformRules() }), target: [0, 1] });
    const slopes = await explain(model, { images, method: gradientTimesInput(), target: [0, 1] });
    expectClose(zero.attributions.data, slopes.attributions.data, 5e-5);
  });
});

describe('other nodes', () => {
  const row = (values: readonly number[]): Tensor => ({ shape: [1, values.length], data: Float32Array.from(values) });
  /** Logit: the sum of what is written. */
  const summed = (size: number, write: (g: GraphBuilder, x: Value) => Value) =>
    modelOf([size], 1, (g, x) => {
      const features = write(g, x);
      const axes = features.shape.flatMap((_, axis) => (axis === 0 ? [] : [axis]));
      return g.rename(g.op('Reshape', [g.reduceSum(features, axes), g.integers([-1, 1])]), 'logits');
    });
  const relevance = async (
    model: ModelDescription,
    values: readonly number[],
    options: Partial<AttributeOptions> = {},
  ) => {
    const { attributions } = await explain(model, {
      images: row(values),
      method: uniform(zeroRule()),
      target: 0,
      ...options,
    });
    return Array.from(attributions.data);
  };

  it('a residual connection shares relevance in proportion', async () => {
    const model = summed(2, (g, x) => g.add(g.rename(g.relu(g.scale(x, 3)), 'branch'), g.scale(x, -1)));
    expectClose(await relevance(model, [2, 1]), [4, 2]);
    expectClose(await relevance(model, [2, 1], { layer: 'branch' }), [6, 3]);
  });

  it('masks, constants and reused activations keep relevance', async () => {
    const model = summed(3, (g, x) => {
      const active = g.relu(x);
      const masked = g.mul(active, g.cast(g.greater(active, g.constant(1)), 'float32'));
      return g.concat([g.mul(masked, g.constant([2, -3, 4], [3])), g.relu(active)], 1);
    });
    expectClose(await relevance(model, [2, 3, 0.5]), [2 * 2 + 2, -3 * 3 + 3, 0.5]);
  });

  it('the factor that a gate lets through gets all relevance', async () => {
    const gates: Record<string, (g: GraphBuilder, x: Value) => Value> = {
      Sigmoid: (g, x) => g.sigmoid(g.scale(x, 2)),
      'Softmax, scaled': (g, x) => g.scale(g.op('Softmax', [x], { axis: 1 }), 2),
      'Erf, as in GELU': (g, x) => g.scale(g.offset(g.op('Erf', [x]), 1), 0.5),
      'Clip, as in hard swish': (g, x) => g.scale(g.op('Clip', [g.offset(x, 3), g.constant(0), g.constant(6)]), 1 / 6),
    };
    for (const gate of Object.values(gates)) {
      const model = summed(2, (g, x) => g.mul(gate(g, g.rename(g.scale(x, 5), 'before')), g.scale(x, 3)));
      const values = [0.5, -0.2];
      const { attributions, output } = await explain(model, {
        images: row(values),
        method: uniform(zeroRule()),
        target: 0,
      });
      expect(sumOf(attributions.data)).toBeCloseTo(output[0]!, 5);
      expectClose(await relevance(model, values, { layer: 'before' }), [0, 0]);
    }
  });

  it('attention: the values get the relevance, queries and keys none; a product of two without a gate gives halves', async () => {
    const attention = summed(6, (g, x) => {
      const tokens = g.op('Reshape', [x, g.integers([-1, 3, 2])]);
      const [q, k, v] = ['q', 'k', 'v'].map((name, i) => g.rename(g.scale(tokens, i + 2), name)) as [
        Value,
        Value,
        Value,
      ];
      const weights = g.op('Softmax', [g.matmul(q, g.transpose(k, [0, 2, 1]))], { axis: -1 });
      return g.matmul(weights, v);
    });
    const values = [0.3, -0.5, 0.8, 0.2, 0.1, 0.9];
    const { output } = await explain(attention, { images: row(values), method: uniform(zeroRule()), target: 0 });
    expect(sumOf(await relevance(attention, values, { layer: 'v' }))).toBeCloseTo(output[0]!, 5);
    expectClose(await relevance(attention, values, { layer: 'q' }), new Array(6).fill(0));
    const bilinear = summed(2, (g, x) => g.mul(g.rename(g.relu(x), 'a'), g.scale(x, 4)));
    expectClose(await relevance(bilinear, [1, 2], { layer: 'a' }), [2, 8]);
  });

  it('the deviation of layer normalisation is taken as given', async () => {
    const model = summed(4, (g, x) =>
      g.mul(
        g.op('LayerNormalization', [x, g.constant([1, 2, -1, 0.5], [4])], { axis: -1 }),
        g.constant([1, 1, 2, 3], [4]),
      ),
    );
    const values = [0.2, 1.4, -0.6, 0.9];
    const center = sumOf(values) / 4;
    const deviation = Math.sqrt(sumOf(values.map((v) => (v - center) ** 2)) / 4 + 1e-5);
    const slopes = [1, 2, -2, 1.5].map((w) => w / deviation);
    expectClose(
      await relevance(model, values),
      values.map((v, i) => v * (slopes[i]! - sumOf(slopes) / 4)),
    );
  });

  it('an operator without a rule of its own gets gradient × input, and the certificate says what that loses', async () => {
    const model = summed(2, (g, x) => g.rename(g.exp(x), 'curved'));
    const { attributions, certificate, output } = await explain(model, {
      images: row([1, 2]),
      method: uniform(zeroRule()),
      target: 0,
    });
    expectClose(attributions.data, [Math.E, 2 * Math.E ** 2]);
    const lost = output[0]! - Math.E - 2 * Math.E ** 2;
    expect(certificate!.lost![0]![0]).toEqual({ node: 'curved', share: expect.closeTo(lost / output[0]!, 5) });
  });
});

describe('relevance', () => {
  const inputShape = [1, 3, 3];
  const images = noiseImages(3, inputShape);
  const network = networkModel({ inputShape, classes: 4, activation: 'Relu', bias: false });
  const biased = networkModel({ inputShape, classes: 4, activation: 'Relu', bias: true });
  const composites = { epsilonGammaBox, epsilonPlus, epsilonPlusFlat, epsilonAlpha2Beta1 };

  it('by the 0 rule is gradient × input of a network of rectifiers, with biases and without', async () => {
    for (const model of [network, biased]) {
      const zero = await explain(model, { images, method: lrp({ composite: uniformRules() }) });
      const slopes = await explain(model, { images, method: gradientTimesInput() });
      expectClose(zero.attributions.data, slopes.attributions.data);
    }
  });

  it('is conserved without biases: z⁺ on positive inputs, and at a layer', async () => {
    const hidden = network.graph.nodes.find(({ op }) => op === 'Relu')!.outputs[0]!;
    for (const layer of [undefined, hidden]) {
      const { certificate } = await explain(network, {
        images,
        method: uniform(zPlusRule({ stabiliser: { epsilon: 0 } })),
        ...(layer !== undefined && { layer }),
      });
      for (const { relativeError } of certificate!.completeness!) expect(relativeError).toBeLessThan(1e-5);
    }
  });

  it('that is lost is accounted for, by node, largest first', async () => {
    for (const [name, composite] of Object.entries(composites)) {
      const { certificate } = await explain(biased, { images, method: lrp({ composite: composite() }) });
      certificate!.completeness!.forEach(({ sum, difference }, i) => {
        const lost = certificate!.lost![i]!;
        const shares = lost.map(({ share }) => share);
        expect(sum / difference + sumOf(shares), name).toBeCloseTo(1, 4);
        expect(shares.map(Math.abs)).toEqual(shares.map(Math.abs).sort((a, b) => b - a));
        expect(biased.graph.nodes.flatMap(({ outputs }) => outputs)).toEqual(
          expect.arrayContaining(lost.map(({ node }) => node)),
        );
      });
    }
  });

  it('starts from what is explained: probabilities lose what is not linear, a difference starts with both logits', async () => {
    const method = uniform(zeroRule());
    const probability = await explain(network, { images, method, of: 'probability', target: 1 });
    const slopes = await explain(network, { images, method: gradientTimesInput(), of: 'probability', target: 1 });
    expectClose(probability.attributions.data, slopes.attributions.data, 5e-5);
    expect(probability.certificate!.lost![0]!.map(({ node }) => node)).toContain('probability');
    const [first, second, difference] = await Promise.all(
      [{ target: 1 }, { target: 2 }, { target: 1, of: { minus: 2 } }].map((options) =>
        explain(network, { images, method, ...options }),
      ),
    );
    expectClose(
      difference!.attributions.data,
      first!.attributions.data.map((value, i) => value - second!.attributions.data[i]!),
    );
  });

  it('from one is that from the value, over the value', async () => {
    const composite = epsilonPlus();
    const whole = await explain(biased, { images, method: lrp({ composite }) });
    const share = await explain(biased, { images, method: lrp({ composite, initial: 'one' }) });
    const size = sizeOf(inputShape);
    expectClose(
      share.attributions.data,
      whole.attributions.data.map((value, i) => value / whole.output[Math.floor(i / size)]!),
    );
    for (const { difference } of share.certificate!.completeness!) expect(difference).toBe(1);
  });

  it('does not depend on the size of batches', async () => {
    const together = await explain(biased, { images, method: lrp() });
    const apart = await explain(biased, { images, method: lrp(), batchSize: 1 });
    expectClose(apart.attributions.data, together.attributions.data, 1e-6);
    expect(apart.certificate!.lost!.map((lost) => lost.length)).toEqual(
      together.certificate!.lost!.map((lost) => lost.length),
    );
  });

  it('takes rules by operator and by name, which comes first', async () => {
    const [hidden] = biased.graph.nodes.filter(({ op }) => op === 'Gemm').map(({ outputs }) => outputs[0]!);
    const flat = lrp({ composite: { ...epsilonPlus(), first: flatRule() } });
    const named = lrp({
      composite: epsilonPlus(),
      operators: { Gemm: epsilonRule() },
      layers: { [hidden!]: flatRule() },
    });
    const [expected, found] = await Promise.all([flat, named].map((method) => explain(biased, { images, method })));
    expectClose(found!.attributions.data, expected!.attributions.data);
  });

  it('takes the ends of the box from its inputs: any scale of the same images gives the same relevance', async () => {
    const scaled = modelOf(inputShape, 2, (g, x) => {
      const flat = g.op('Flatten', [x], { axis: 1 });
      const hidden = g.relu(g.op('Gemm', [flat, parameter(g, 'w', [9, 5], floats([9, 5], 8, 1 / 255))]));
      return g.rename(g.op('Gemm', [hidden, parameter(g, 'v', [5, 2], floats([5, 2], 9))]), 'logits');
    });
    const bytes = { ...images, data: images.data.map((value) => 255 * value) };
    await expect(explain(scaled, { images: bytes, method: lrp() })).rejects.toThrow(/give it the least/);
    const found = await explain(scaled, {
      images: bytes,
      method: lrp({ composite: epsilonGammaBox({ high: 255 }) }),
      target: 1,
    });
    const unit = await explain(scaled, { images, method: lrp(), target: 1 });
    expectClose(
      found.attributions.data,
      unit.attributions.data.map((value) => 255 * value),
      1e-3,
    );
  });

  it('costs what the rule of most of its layers takes', async () => {
    const convolutional = modelOf([1, 3, 3], 2, (g, x) => {
      const features = [1, 2].reduce(
        (from, k) => g.relu(g.op('Conv', [from, parameter(g, `kernel ${k}`, [1, 1, 2, 2], floats([1, 1, 2, 2], k))])),
        x,
      );
      const flat = g.op('Flatten', [features], { axis: 1 });
      return g.rename(g.op('Gemm', [flat, parameter(g, 'top', [1, 2], floats([1, 2], 6))]), 'logits');
    });
    const costOf = async (model: ModelDescription, method: Lrp) =>
      (await explain(model, { images, method, target: 0 })).cost;
    const composite = epsilonAlpha2Beta1();
    expect(await costOf(network, lrp({ composite }))).toEqual({ forwards: 3, backwards: 3 });
    expect(await costOf(convolutional, lrp({ composite }))).toEqual({ forwards: 9, backwards: 6 });
    expect(await costOf(convolutional, lrp({ composite, operators: { Conv: epsilonRule() } }))).toEqual({
      forwards: 3,
      backwards: 3,
    });
  });

  it.each<[string, Parameters<typeof lrp>[0], RegExp]>([
    ['a layer that there is not', { layers: { nowhere: zeroRule() } }, /no layer 'nowhere'/],
    ['a rule that needs weights', { operators: { Exp: flatRule() } }, /flat rule is for layers with weights/],
    ['a negative γ', { composite: epsilonGammaBox({ gamma: -1 }) }, /gamma of the gamma rule must be 0 or more/],
    ['an empty box', { composite: epsilonGammaBox({ low: 1, high: 0 }) }, /low below high/],
    [
      'a box without an end',
      { composite: epsilonGammaBox({ high: Number.POSITIVE_INFINITY }) },
      /finite numbers, low below high, not 0 and Infinity/,
    ],
    [
      'an unknown rule',
      { operators: { Gemm: { ...flatRule(), rule: 'w_square' as 'flat' } as LrpRule } },
      /no rule 'w_square': there are epsilon, gamma, z-plus, alpha-beta, box, w-square, flat, pass/,
    ],
    ['an unknown start', { initial: 'zero' as 'one' }, /initial must be value or one, not 'zero'/],
    [
      'inputs outside of the box',
      { composite: epsilonGammaBox({ low: 0.6 }) },
      /for inputs from 0.6 to 1, and image 7 has the value 0.5: give it the least and the largest value/,
    ],
    ['relevance that cannot pass', { operators: { Gemm: passRule() } }, /differ in shape/],
    ['relevance that could pass two ways', { operators: { Add: passRule() } }, /2 inputs to pass it to/],
  ])('refuses %s', async (_, options, message) => {
    const model = modelOf([2], 3, (g, x) => {
      const weights = parameter(g, 'w', [2, 3], floats([2, 3], 8));
      return g.rename(g.op('Gemm', [g.add(g.exp(x), x), weights]), 'logits');
    });
    const images = { shape: [1, 2], data: Float32Array.of(0.75, 0.5) };
    const attempt = explain(model, { images, method: lrp(options), imageNumbers: [7] });
    await expect(attempt).rejects.toThrow(UsageError);
    await expect(attempt).rejects.toThrow(message);
  });
});
