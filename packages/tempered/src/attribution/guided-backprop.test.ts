import type { GraphBuilder, Value } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { affineModel, modelOf, networkModel, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type AttributionMethod, attribute } from './attribute.ts';
import { plainGradient } from './gradient.ts';
import { deconvnet, guidedBackprop } from './guided-backprop.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const FIRST = [
  [1, -2],
  [-1, 1],
  [3, 1],
  [-2, -1],
];
const SECOND = [1, -1, 2, 3];
const INPUT = [1, -0.5];
/** 2, −1.5, 2.5, −1.5 */
const HIDDEN = FIRST.map((row) => row.reduce((sum, w, i) => sum + w * INPUT[i]!, 0));

/** SECOND · f(FIRST · x) */
const behind = (f: (g: GraphBuilder, h: Value) => Value) =>
  modelOf([2], 1, (g, x) => {
    const parameter = (name: string, shape: readonly number[], values: readonly number[]) =>
      g.parameter(name, { dtype: 'float32', shape, data: Float32Array.from(values) });
    const hidden = g.op('Gemm', [x, parameter('first', [4, 2], FIRST.flat())], { transB: 1 });
    return g.rename(g.op('Gemm', [f(g, hidden), parameter('second', [1, 4], SECOND)], { transB: 1 }), 'logits');
  });

const explain = async (model: ReturnType<typeof behind>, method: AttributionMethod, input = INPUT) =>
  (
    await attribute(new Classifier(model, runtime), {
      images: { shape: [1, input.length], data: Float32Array.from(input) },
      method,
      target: 0,
    })
  ).attributions.data;

/** What comes back to the hidden units, times their weights. */
const backwards = (passed: readonly number[]) =>
  [0, 1].map((i) => passed.reduce((sum, value, h) => sum + value * FIRST[h]![i]!, 0));

const positive = SECOND.map((w) => Math.max(0, w));

describe('a rectifier', () => {
  it.each<[string, (g: GraphBuilder, h: Value) => Value, (h: number) => number]>([
    ['Relu', (g, h) => g.relu(h), (h) => Number(h > 0)],
    ['ReLU6 (Clip)', (g, h) => g.op('Clip', [h, g.constant(0), g.constant(2.2)]), (h) => Number(h > 0 && h < 2.2)],
    ['LeakyRelu', (g, h) => g.op('LeakyRelu', [h], { alpha: 0.1 }), (h) => (h > 0 ? 1 : 0.1)],
    [
      'PRelu',
      (g, h) => g.op('PRelu', [h, g.parameter('slope', { dtype: 'float32', shape: [1], data: Float32Array.of(0.25) })]),
      (h) => (h > 0 ? 1 : 0.25),
    ],
    ['ThresholdedRelu', (g, h) => g.op('ThresholdedRelu', [h], { alpha: 2.2 }), (h) => Number(h > 2.2)],
  ])('%s passes on only what is positive', async (_, f, slope) => {
    const model = behind(f);
    const guided = backwards(HIDDEN.map((h, i) => slope(h) * positive[i]!));
    expect(Array.from(await explain(model, guidedBackprop()))).toEqual(guided.map((value) => expect.closeTo(value, 5)));
    const open = backwards(positive);
    expect(Array.from(await explain(model, deconvnet()))).toEqual(open.map((value) => expect.closeTo(value, 5)));
  });

  it.each<[string, (g: GraphBuilder, h: Value) => Value]>([
    ['Tanh', (g, h) => g.tanh(h)],
    ['Softplus', (g, h) => g.op('Softplus', [h])],
    ['Clip between −1 and 1', (g, h) => g.op('Clip', [h, g.constant(-1), g.constant(1)])],
  ])('%s is none: its derivative stays', async (_, f) => {
    const model = behind(f);
    const gradient = await explain(model, plainGradient());
    expect(await explain(model, guidedBackprop())).toEqual(gradient);
    expect(await explain(model, deconvnet())).toEqual(gradient);
  });

  it('is not the Clip that the image goes through first', async () => {
    const model = modelOf([2], 1, (g, x) => {
      const clipped = g.op('Clip', [x, g.constant(0), g.constant(1)]);
      const weights = g.parameter('w', { dtype: 'float32', shape: [2, 1], data: Float32Array.of(-2, 3) });
      return g.rename(g.op('Gemm', [clipped, weights]), 'logits');
    });
    expect(Array.from(await explain(model, guidedBackprop(), [0.5, 0.25]))).toEqual([-2, 3]);
  });
});

it.each([guidedBackprop(), deconvnet()])('$name is the gradient on a linear network', async (method) => {
  const classifier = new Classifier(
    affineModel(
      [1, 2, 2],
      [
        [1, -2, 3, -4],
        [0.5, 1, -1, 2],
      ],
      [1, 2],
    ),
    runtime,
  );
  const options = { images: noiseImages(3, [1, 2, 2]), target: [0, 1, 1] };
  const expected = await attribute(classifier, { ...options, method: plainGradient() });
  expect((await attribute(classifier, { ...options, method })).attributions).toEqual(expected.attributions);
});

it.each([guidedBackprop(), deconvnet()])('$name gives the same for any batch size, and at a layer', async (method) => {
  const model = networkModel({ inputShape: [2, 3, 3], classes: 3, activation: 'Relu', bias: true });
  const classifier = new Classifier(model, runtime);
  const options = { images: noiseImages(5, [2, 3, 3]), target: 1, method };
  const whole = await attribute(classifier, options);
  const parts = await attribute(classifier, { ...options, batchSize: 2 });
  for (const [i, value] of whole.attributions.data.entries()) expect(parts.attributions.data[i]).toBeCloseTo(value, 5);
  expect(whole.cost).toEqual({ forwards: 5, backwards: 5 });
  const layer = model.graph.nodes.find(({ op }) => op === 'Relu')!.inputs[0]!;
  const above = await attribute(classifier, { ...options, layer });
  expect(above.attributions.shape).toEqual([5, 16]);
  expect(above.attributions.data.every((value) => value >= 0)).toBe(true);
});
