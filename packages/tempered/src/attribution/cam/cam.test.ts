import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GraphBuilder, Value } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mapsAt } from '../../attacks/explanations/map-attack.ts';
import { npyToTensor, parseNpy } from '../../data/npy.ts';
import { UsageError } from '../../errors.ts';
import { resize } from '../../image/resample.ts';
import { createModel } from '../../models/architectures/index.ts';
import { Classifier, type ModelDescription } from '../../models/classifier.ts';
import { readModel } from '../../models/load.ts';
import { predictLogits, softmaxRows } from '../../models/predict.ts';
import { affineModel, modelOf, networkModel, noiseImages } from '../../models/testing/small-models.ts';
import { classActivationHead } from '../../objectives/class-activation-map.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { rows, type Tensor } from '../../tensor.ts';
import { activation } from '../activation.ts';
import { type AttributeOptions, type AttributionMethod, attribute } from '../attribute.ts';
import { deepLift } from '../deep-lift.ts';
import { excitationBackprop } from '../excitation-backprop.ts';
import { gradientTimesInput, plainGradient } from '../gradient.ts';
import { guidedBackprop } from '../guided-backprop.ts';
import { guidedGradCam } from '../guided-grad-cam.ts';
import { lrp } from '../lrp/lrp.ts';
import { classActivationMap } from './cam.ts';
import { lastFeatureMap } from './default-layer.ts';
import { gradCam } from './grad-cam.ts';
import { gradCamPlusPlus } from './grad-cam-plus-plus.ts';
import { hiResCam } from './hires-cam.ts';
import { layerCam } from './layer-cam.ts';
import { scoreCam } from './score-cam.ts';
import { xGradCam } from './xgrad-cam.ts';

const SHAPE = [1, 12, 12] as const;
const CLASSES = ['a', 'b', 'c'];
const COUNT = 3;
const images = noiseImages(COUNT, [...SHAPE]);
const own = { resize: 'none' } as const;
const signed = { relu: false, resize: 'none' } as const;

let runtime: Runtime;
/** Signed features, global average pooling, linear. */
let gap: Classifier;
/** Positive features [N, 2, 6, 6], flattened, two dense layers. */
let flattened: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  gap = new Classifier(
    createModel({ architecture: 'gap-small', inputShape: SHAPE, classes: CLASSES, seed: 3 }),
    runtime,
  );
  flattened = new Classifier(flattenedModel(), runtime);
});
afterAll(() => runtime.close());

const parameter = (g: GraphBuilder, name: string, shape: readonly number[], scale = 1) =>
  g.parameter(name, {
    dtype: 'float32',
    shape,
    data: Float32Array.from(
      { length: shape.reduce((a, b) => a * b, 1) },
      (_, i) => scale * Math.sin(name.length + 3 * i),
    ),
  });

const convolution = (g: GraphBuilder, x: Value) =>
  g.op('Conv', [x, parameter(g, 'conv', [2, 1, 2, 2])], { kernel_shape: [2, 2], strides: [2, 2] });

function flattenedModel(): ModelDescription {
  return modelOf(SHAPE, 3, (g, x) => {
    const features = g.rename(g.relu(convolution(g, x)), 'features');
    const flat = g.op('Flatten', [features], { axis: 1 });
    const hidden = g.relu(g.op('Gemm', [flat, parameter(g, 'hidden', [72, 8], 0.3)]));
    return g.rename(g.op('Gemm', [hidden, parameter(g, 'head', [8, 3])]), 'logits');
  });
}

const furthest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a, (value, i) => Math.abs(value - b[i]!)).reduce((largest, value) => Math.max(largest, value), 0);
const sizeOfLargest = (a: ArrayLike<number>) => furthest(a, new Float32Array(a.length));

const mapOf = async (
  classifier: Classifier,
  method: AttributionMethod,
  { images: of = images, ...options }: Partial<AttributeOptions> = {},
) => (await attribute(classifier, { images: of, method, target: 1, ...options })).attributions;

describe('on a network with a global-average-pool head', () => {
  it('CAM is the map of the class, and Grad-CAM that over the number of positions', async () => {
    const cam = await mapOf(gap, classActivationMap(own));
    const positions = cam.shape[2]! * cam.shape[3]!;
    const expected = await mapsAt(gap, 'cam', { images, labels: [1, 1, 1] });
    expect(furthest(cam.data, expected.data)).toBeLessThan(1e-5);
    const grad = await mapOf(gap, gradCam(signed));
    expect(
      furthest(
        grad.data.map((value) => value * positions),
        cam.data,
      ),
    ).toBeLessThan(1e-5);
  });

  it.each([hiResCam(signed), xGradCam(signed)])(
    '$name is Grad-CAM: the gradient is the same everywhere',
    async (method) => {
      const [found, grad] = [await mapOf(gap, method), await mapOf(gap, gradCam(signed))];
      // The gradients that XGrad-CAM averages are weighed by activations of both signs here.
      expect(furthest(found.data, grad.data)).toBeLessThan(1e-4 * sizeOfLargest(grad.data));
    },
  );

  it('Grad-CAM of the probability mixes the maps of all classes as softmax does, and of a difference two', async () => {
    const maps = await Promise.all(CLASSES.map((_, k) => mapOf(gap, classActivationMap(own), { target: k })));
    const p = softmaxRows(await predictLogits(gap, images)).data;
    const [, , height, width] = maps[0]!.shape;
    const positions = height! * width!;
    const mixed = (weight: (k: number, n: number) => number) =>
      maps[0]!.data.map((_, at) => {
        const n = Math.floor(at / positions);
        return maps.reduce((sum, map, k) => sum + (weight(k, n) * map.data[at]!) / positions, 0);
      });
    const probability = await mapOf(gap, gradCam(signed), { of: 'probability' });
    const slope = (k: number, n: number) => p[3 * n + 1]! * (Number(k === 1) - p[3 * n + k]!);
    expect(furthest(probability.data, mixed(slope))).toBeLessThan(1e-6);
    const loss = await mapOf(gap, gradCam(signed), { of: 'loss' });
    expect(
      furthest(
        loss.data,
        mixed((k, n) => p[3 * n + k]! - Number(k === 1)),
      ),
    ).toBeLessThan(1e-6);
    const difference = await mapOf(gap, classActivationMap(own), { of: { minus: 2 } });
    expect(
      furthest(
        difference.data,
        mixed((k) => positions * [0, 1, -1][k]!),
      ),
    ).toBeLessThan(1e-5);
  });

  it.each<[string, Partial<AttributeOptions>, RegExp]>([
    [
      'a probability',
      { of: 'probability' },
      /^class activation maps explain a logit .*, not a probability: take Grad-CAM/,
    ],
    ['a unit', { of: { unit: 'conv1:0' } }, /not a unit/],
    ['another layer', { layer: 'conv1' }, /are those of the layer before the pooling, 'conv3', not of 'conv1'/],
  ])('CAM of %s is refused', async (_, options, message) => {
    const refusal = await mapOf(gap, classActivationMap(), options).catch((error) => error);
    expect(refusal).toBeInstanceOf(UsageError);
    expect(refusal.message).toMatch(message);
  });
});

describe('on a network whose features are flattened', () => {
  it('each method is its formula of activations and gradients', async () => {
    const at = { layer: 'features' };
    const slopes = (await mapOf(flattened, plainGradient(), at)).data;
    const products = (await mapOf(flattened, gradientTimesInput(), at)).data;
    const positions = 36;
    const channel = (values: Float32Array, n: number, c: number) =>
      values.subarray((n * 2 + c) * positions, (n * 2 + c + 1) * positions);
    const sum = (values: Float32Array) => values.reduce((a, b) => a + b, 0);
    const activation = (n: number, c: number) => {
      const [product, slope] = [channel(products, n, c), channel(slopes, n, c)];
      return product.map((value, i) => (slope[i] === 0 ? 0 : value / slope[i]!));
    };
    const expected = (weight: (a: Float32Array, g: Float32Array, i: number) => number) =>
      Float32Array.from({ length: COUNT * positions }, (_, at) => {
        const [n, i] = [Math.floor(at / positions), at % positions];
        return [0, 1].reduce((total, c) => {
          const [a, g] = [activation(n, c), channel(slopes, n, c)];
          return total + weight(a, g, i) * a[i]!;
        }, 0);
      });
    const alpha = (a: Float32Array, g: number) => (g > 0 ? g / (2 + g * sum(a)) : 0);
    for (const [method, weight] of [
      [gradCam(signed), (_, g) => sum(g) / positions],
      [xGradCam(signed), (a, g) => sum(g.map((value, i) => value * a[i]!)) / sum(a)],
      [hiResCam(own), (_, g, i) => g[i]!],
      [layerCam(signed), (_, g, i) => Math.max(0, g[i]!)],
      [gradCamPlusPlus(signed), (a, g) => sum(g.map((value) => alpha(a, value)))],
    ] as [AttributionMethod, (a: Float32Array, g: Float32Array, i: number) => number][]) {
      const { attributions, layer } = await attribute(flattened, { images, method, target: 1 });
      expect(layer).toBe('features');
      expect(attributions.shape).toEqual([COUNT, 1, 6, 6]);
      expect([method.name, furthest(attributions.data, expected(weight)) < 1e-5]).toEqual([method.name, true]);
    }
  });

  it('HiResCAM adds up to the logit without its bias where only a linear layer follows', async () => {
    const linear = new Classifier(
      modelOf(SHAPE, 3, (g, x) => {
        const flat = g.op('Flatten', [g.relu(convolution(g, x))], { axis: 1 });
        return g.rename(g.op('Gemm', [flat, parameter(g, 'head', [72, 3])]), 'logits');
      }),
      runtime,
    );
    const { attributions, output } = await attribute(linear, { images, method: hiResCam(own), target: 2 });
    for (let i = 0; i < COUNT; i++)
      expect(rows(attributions, i, i + 1).data.reduce((a, b) => a + b, 0)).toBeCloseTo(output[i]!, 4);
  });

  it('guided Grad-CAM is the product of its two parts', async () => {
    const found = await mapOf(flattened, guidedGradCam());
    const [guided, cam] = [await mapOf(flattened, guidedBackprop()), await mapOf(flattened, gradCam())];
    expect(
      furthest(
        found.data,
        guided.data.map((value, i) => value * cam.data[i]!),
      ),
    ).toBeLessThan(1e-6);
    expect(sizeOfLargest(found.data)).toBeGreaterThan(0);
  });
});

describe('a map', () => {
  it('is brought to the size of the image with pixel centres at half integers, or in blocks', async () => {
    const small = await mapOf(flattened, layerCam(own));
    const large = await mapOf(flattened, layerCam());
    expect(large.shape).toEqual([COUNT, ...SHAPE]);
    expect(furthest(large.data, resize(small, 12, 12).data)).toBeLessThan(1e-6);
    const blocks = await mapOf(flattened, layerCam({ resize: 'nearest' }));
    const at = (n: number, y: number, x: number) => small.data[(n * 6 + Math.floor(y / 2)) * 6 + Math.floor(x / 2)]!;
    const expected = blocks.data.map((_, i) => at(Math.floor(i / 144), Math.floor((i % 144) / 12), i % 12));
    expect(furthest(blocks.data, expected)).toBe(0);
  });

  it('without positive evidence is zero', async () => {
    const negative = new Classifier(
      modelOf(SHAPE, 1, (g, x) => {
        const pooled = g.op('GlobalAveragePool', [g.relu(convolution(g, x))]);
        const minus = g.parameter('minus', { dtype: 'float32', shape: [2, 1], data: Float32Array.of(-1, -2) });
        return g.rename(g.op('Gemm', [g.op('Flatten', [pooled], { axis: 1 }), minus]), 'logits');
      }),
      runtime,
    );
    const target = 0;
    for (const method of [gradCam(), classActivationMap({ relu: true }), gradCamPlusPlus(), xGradCam(), layerCam()])
      expect([method.name, sizeOfLargest((await mapOf(negative, method, { target })).data)]).toEqual([method.name, 0]);
    const shown = await mapOf(negative, scoreCam({ weighting: 'increase' }), { target });
    expect(shown.data.every((value) => value === 0)).toBe(true);
  });

  it('of a dense layer is one number', async () => {
    const dense = new Classifier(
      networkModel({ inputShape: [4], classes: 3, activation: 'Relu', bias: true }),
      runtime,
    );
    const layer = dense.description.graph.nodes.find(({ op }) => op === 'Relu')!.outputs[0]!;
    const inputs = noiseImages(2, [4]);
    const found = await mapOf(dense, gradCam(signed), { images: inputs, layer });
    const product = await mapOf(dense, gradientTimesInput(), { images: inputs, layer });
    expect(found.shape).toEqual([2, 1]);
    for (const i of [0, 1])
      expect(found.data[i]).toBeCloseTo(
        rows(product, i, i + 1).data.reduce((a, b) => a + b, 0),
        5,
      );
    await expect(mapOf(dense, gradCam(), { images: inputs, layer })).rejects.toThrow(
      /^a map of shape \[1\] cannot be laid over an input of shape \[4\]/,
    );
  });
});

describe('Score-CAM', () => {
  /** The definition, an image at a time, with another resampler. */
  async function byHand(weighting: 'softmax' | 'increase', background: number): Promise<Float32Array> {
    const at = { layer: 'features' };
    const slopes = (await mapOf(flattened, plainGradient(), at)).data;
    const products = (await mapOf(flattened, gradientTimesInput(), at)).data;
    const features = products.map((value, i) => (slopes[i] === 0 ? 0 : value / slopes[i]!));
    const logit = async (data: Float32Array) =>
      (await predictLogits(flattened, { shape: [1, ...SHAPE], data })).data[1]!;
    const blank = await logit(new Float32Array(144).fill(background));
    const result = new Float32Array(COUNT * 36);
    for (let n = 0; n < COUNT; n++) {
      const channels = [0, 1].map((c) => features.subarray((n * 2 + c) * 36, (n * 2 + c + 1) * 36));
      const scores: number[] = [];
      for (const data of channels) {
        const mask = resize({ shape: [1, 1, 6, 6], data }, 12, 12).data;
        const [low, high] = [Math.min(...mask), Math.max(...mask)];
        const image = rows(images, n, n + 1).data;
        scores.push(
          (await logit(image.map((x, i) => background + ((mask[i]! - low) / (high - low)) * (x - background)))) - blank,
        );
      }
      const exponentials = scores.map((score) => Math.exp(score));
      const total = exponentials.reduce((a, b) => a + b, 0);
      const weights = weighting === 'softmax' ? exponentials.map((value) => value / total) : scores;
      for (let i = 0; i < 36; i++) result[n * 36 + i] = channels.reduce((sum, a, c) => sum + weights[c]! * a[i]!, 0);
    }
    return result;
  }

  it.each([
    ['softmax', 'black', 0],
    ['increase', 'black', 0],
    ['increase', 'white', 1],
  ] as const)('is its definition: %s from %s', async (weighting, baseline, background) => {
    const method = scoreCam({ ...signed, weighting, baseline });
    const { attributions, cost, layer, baseOutput, output } = await attribute(flattened, { images, method, target: 1 });
    expect(furthest(attributions.data, await byHand(weighting, background))).toBeLessThan(1e-5);
    expect(layer).toBe('features');
    const logits = await predictLogits(flattened, images);
    expect(
      furthest(
        output,
        [1, 4, 7].map((i) => logits.data[i]!),
      ),
    ).toBeLessThan(1e-6);
    // The features once and each of two channels; the baseline where it counts.
    expect(cost).toEqual({ forwards: weighting === 'softmax' ? 9 : 12, backwards: 0 });
    expect(baseOutput?.length).toBe(weighting === 'softmax' ? undefined : COUNT);
  });

  it('takes a baseline for each image, whatever the blocks', async () => {
    const baseline = noiseImages(COUNT, [...SHAPE], 5);
    const method = scoreCam({ weighting: 'increase', baseline, relu: false });
    const whole = await mapOf(flattened, method);
    const parts = await mapOf(flattened, method, { batchSize: 1 });
    expect(furthest(parts.data, whole.data)).toBeLessThan(1e-5);
    expect(whole.data).not.toEqual((await mapOf(flattened, scoreCam({ weighting: 'increase', relu: false }))).data);
    await expect(mapOf(flattened, scoreCam({ baseline: { uniform: 3 } }))).rejects.toThrow(/one baseline an image/);
  });

  it('counts its masks, and stops when asked', async () => {
    const stop = new AbortController();
    const done: number[] = [];
    const options: Partial<AttributeOptions> = {
      batchSize: 1,
      signal: stop.signal,
      onProgress: (progress) => {
        done.push(progress.done);
        expect(progress.total).toBe(6);
        if (progress.done === 3) stop.abort(new Error('enough'));
      },
    };
    await expect(mapOf(flattened, scoreCam(), options)).rejects.toThrow('enough');
    expect(done).toEqual([1, 2, 3]);
  });
});

const EVERY = [
  classActivationMap(),
  gradCam(),
  gradCamPlusPlus({ weighting: 'mean' }),
  xGradCam(),
  hiResCam(),
  layerCam(),
  scoreCam(),
  guidedGradCam(),
];

it.each(EVERY)('$name gives the same for any batch size, in the shape of the image', async (method) => {
  const whole = await mapOf(gap, method);
  expect(whole.shape).toEqual([COUNT, ...SHAPE]);
  const parts = await mapOf(gap, method, { batchSize: 2 });
  expect(furthest(parts.data, whole.data)).toBeLessThan(1e-5 * Math.max(1, sizeOfLargest(whole.data)));
});

describe('the default layer', () => {
  it.each<[string, ModelDescription]>([
    ['dense layers alone', networkModel({ inputShape: SHAPE, classes: 3, activation: 'Relu', bias: true })],
    ['a linear layer', affineModel([1, 2, 2], [[1, 2, 3, 4]])],
    [
      'dense layers of a normalised image',
      modelOf([1, 2, 2], 3, (g, x) => {
        const flat = g.op('Flatten', [g.offset(x, -0.5)], { axis: 1 });
        return g.rename(g.op('Gemm', [flat, parameter(g, 'head', [4, 3])]), 'logits');
      }),
    ],
    [
      'tokens of patches',
      modelOf([1, 4, 4], 3, (g, x) => {
        const tokens = g.transpose(g.op('Reshape', [convolution(g, x), g.integers([0, 2, 4])]), [0, 2, 1]);
        const mixed = g.matmul(tokens, parameter(g, 'mix', [2, 2]));
        return g.rename(g.matmul(g.reduceMean(mixed, [1]), parameter(g, 'head', [2, 3])), 'logits');
      }),
    ],
  ])('is none of %s', (_, model) => {
    expect(() => lastFeatureMap(model)).toThrow(UsageError);
    expect(() => lastFeatureMap(model)).toThrow(/^'small' has no last feature map .*: name the layer/);
  });

  it('is that with its channels first, of a network that pools with them last', () => {
    const model = modelOf(SHAPE, 3, (g, x) => {
      const features = g.rename(g.relu(convolution(g, x)), 'features');
      const pooled = g.reduceMean(g.relu(g.transpose(features, [0, 2, 3, 1])), [1, 2]);
      return g.rename(g.matmul(pooled, parameter(g, 'head', [2, 3])), 'logits');
    });
    expect(lastFeatureMap(model)).toBe('features');
  });

  it('is the map that branches to single positions begin at', () => {
    const model = modelOf([1, 4, 4], 3, (g, x) => {
      const features = g.rename(g.relu(convolution(g, x)), 'features');
      const inner = g.relu(g.op('Conv', [features, parameter(g, 'inner', [2, 2, 1, 1])], { kernel_shape: [1, 1] }));
      const ends = [features, inner].map((from, i) =>
        g.op('Conv', [from, parameter(g, `end${i}`, [2, 2, 2, 2])], { kernel_shape: [2, 2] }),
      );
      const flat = g.op('Flatten', [g.concat(ends, 1)], { axis: 1 });
      return g.rename(g.op('Gemm', [flat, parameter(g, 'head', [4, 3])]), 'logits');
    });
    expect(lastFeatureMap(model)).toBe('features');
  });

  it.each([
    ['small-cnn', [3, 32, 32], 'relu3'],
    ['gap-pool', [1, 28, 28], 'pool2'],
    ['gap-wresnet', [3, 32, 32], 'pair15'],
    ['cifar-small-resnet', [3, 32, 32], 'relu'],
  ] as const)('of our %s', (architecture, inputShape, expected) => {
    expect(lastFeatureMap(createModel({ architecture, inputShape, classes: CLASSES }))).toBe(expected);
  });
});

it.each([
  [gradCamPlusPlus({ weighting: 'product' as 'sum' }), /^weighting must be sum or mean, not 'product'/],
  [scoreCam({ weighting: 'mean' as 'softmax' }), /^weighting must be softmax or increase, not 'mean'/],
])('$0.name refuses a weighting that there is not', async (method, message) => {
  const refusal = await mapOf(gap, method).catch((error) => error);
  expect(refusal).toBeInstanceOf(UsageError);
  expect(refusal.message).toMatch(message);
});

describe('a unit inside the network', () => {
  /** Two feature maps, a dense layer from the first of them, and the logits from the second. */
  const model = modelOf(SHAPE, 3, (g, x) => {
    const early = g.rename(g.relu(convolution(g, x)), 'early');
    const hidden = g.matmul(g.op('Flatten', [early], { axis: 1 }), parameter(g, 'hidden weights', [72, 4], 0.3));
    const aside = g.rename(g.relu(hidden), 'aside');
    const kernel = parameter(g, 'kernel', [2, 2, 3, 3]);
    const late = g.rename(g.relu(g.op('Conv', [early, kernel], { kernel_shape: [3, 3] })), 'late');
    const pooled = g.reduceMean(late, [2, 3]);
    const top = g.concat([pooled, aside], 1);
    return g.rename(g.matmul(top, parameter(g, 'head', [6, 3])), 'logits');
  });

  it('is explained at the last feature map that it is computed from', async () => {
    const classifier = new Classifier(model, runtime);
    const explain = (of: AttributeOptions['of'], layer?: string) =>
      attribute(classifier, { images, method: gradCam(signed), of, ...(layer !== undefined && { layer }) });
    expect((await explain('logit')).layer).toBe('late');
    const dense = await explain({ unit: 'aside:1' });
    expect(dense.layer).toBe('early');
    expect(sizeOfLargest(dense.attributions.data)).toBeGreaterThan(0);
    // A channel of a feature map is its own map, over the number of positions.
    const channel = await explain({ unit: 'late:1' });
    expect(channel.layer).toBe('late');
    const values = (await attribute(classifier, { images, method: activation(), layer: 'late' })).attributions;
    const area = 16;
    const expected = [0, 1, 2].flatMap((n) =>
      Array.from(values.data.subarray((2 * n + 1) * area, (2 * n + 2) * area), (value) => value / area),
    );
    expect(furthest(channel.attributions.data, expected)).toBeLessThan(1e-6);
    await classifier.release();
  });

  it.each([gradCam(), gradCamPlusPlus(), layerCam(), guidedGradCam(), lrp(), deepLift(), excitationBackprop()])(
    '$name refuses a layer that the unit is not computed from',
    async (method) => {
      const classifier = new Classifier(model, runtime);
      for (const unit of ['aside:1', 'early:0']) {
        const attempt = attribute(classifier, { images, method, of: { unit }, layer: 'late' });
        await expect(attempt).rejects.toThrow(UsageError);
        await expect(attempt).rejects.toThrow(/^what is explained does not depend on the layer 'late'/);
      }
      await classifier.release();
    },
  );
});

const FIXTURES = '../shared/fixtures/pytorch-gradients';
/** What is pooled or flattened at the end; the attention of vit has no map, and that of swin ends in one. */
const LAST: Readonly<Record<string, RegExp | undefined>> = {
  'basic-resnet': /^\/l3\/relu/,
  convnext: /^\/features\/.*Add/,
  densenet: /^\/Relu/,
  efficientnet: /Mul_output/,
  inception: /i2\/Concat/,
  'mobilenet-v2': /Clip/,
  'mobilenet-v3': /HardSwish/,
  shufflenet: /^\/stage3\//,
  'small-cnn': /AveragePool/,
  smooth: /Softplus/,
  swin: /permute/,
  vgg: /^\/p\/AveragePool/,
  vit: undefined,
};
/** Global average pooling and one linear layer. */
const WITH_HEAD = ['basic-resnet', 'densenet', 'efficientnet', 'inception', 'mobilenet-v2', 'shufflenet', 'swin'];

describe.skipIf(!existsSync(FIXTURES))(`on networks from PyTorch (skipped where ${FIXTURES} is absent)`, () => {
  const read = (name: string) => readModel(readFileSync(join(FIXTURES, name, 'model.onnx')));
  const input = (name: string): Tensor =>
    npyToTensor(parseNpy(readFileSync(join(FIXTURES, name, 'input.npy')), 'input.npy'));

  it.each(Object.entries(LAST))('%s has its default layer', (name, layer) => {
    if (layer) expect(lastFeatureMap(read(name))).toMatch(layer);
    else expect(() => lastFeatureMap(read(name))).toThrow(/has no last feature map/);
  });

  it.each(WITH_HEAD)('CAM equals Grad-CAM up to scale: %s', async (name) => {
    const classifier = new Classifier(read(name), runtime);
    await expectCamIsGradCam(classifier, rows(input(name), 0, 2));
    await classifier.release();
  });

  it('the others have no such head', () => {
    for (const name of readdirSync(FIXTURES).filter((name) => !WITH_HEAD.includes(name)))
      expect(() => classActivationHead(read(name))).toThrow(/has no class activation maps/);
  });
});

const MODELS = '../shared/models';
describe.skipIf(!existsSync(MODELS))(`on published weights (skipped where ${MODELS} is absent)`, () => {
  const names = existsSync(MODELS) ? readdirSync(MODELS).filter((name) => name.endsWith('.onnx')) : [];
  it.each(names)('CAM equals Grad-CAM up to scale: %s', async (name) => {
    const classifier = new Classifier(readModel(readFileSync(join(MODELS, name))), runtime);
    await expectCamIsGradCam(classifier, noiseImages(1, classifier.inputShape));
    expect(lastFeatureMap(classifier.description)).toBe(classActivationHead(classifier.description).featureMap);
    await classifier.release();
  });
});

async function expectCamIsGradCam(classifier: Classifier, of: Tensor): Promise<void> {
  const { featureMap } = classActivationHead(classifier.description);
  const cam = await mapOf(classifier, classActivationMap(own), { images: of });
  const grad = await mapOf(classifier, gradCam(signed), { images: of, layer: featureMap });
  expect(cam.shape).toEqual(grad.shape);
  const positions = cam.shape[2]! * cam.shape[3]!;
  const scaled = grad.data.map((value) => value * positions);
  expect(furthest(scaled, cam.data)).toBeLessThan(1e-4 * sizeOfLargest(cam.data));
}
