import type { GraphBuilder, Value } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { feed, floats } from '../models/batching.ts';
import { Classifier, type ModelDescription } from '../models/classifier.ts';
import { modelOf, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { classActivationHead, classActivationMaps } from './class-activation-map.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const CLASSES = 3;
const CHANNELS = 4;

const numbers = (count: number, seed: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(seed + 3 * i));

const parameter = (g: GraphBuilder, name: string, shape: readonly number[]) =>
  g.parameter(name, {
    dtype: 'float32',
    shape,
    data: numbers(
      shape.reduce((a, b) => a * b, 1),
      name.length,
    ),
  });

const pooled = (g: GraphBuilder, x: Value): Value => g.op('GlobalAveragePool', [x]);
const flat = (g: GraphBuilder, x: Value): Value => g.op('Flatten', [x], { axis: 1 });

/** Every way of writing the end of a network, after one convolution. */
const heads: Record<string, (g: GraphBuilder, features: Value) => Value> = {
  'Gemm, a row for each class': (g, a) =>
    g.op('Gemm', [flat(g, pooled(g, a)), parameter(g, 'head', [CLASSES, CHANNELS]), parameter(g, 'bias', [CLASSES])], {
      transB: 1,
    }),
  'Gemm, a row for each channel': (g, a) =>
    g.op('Gemm', [flat(g, pooled(g, a)), parameter(g, 'head', [CHANNELS, CLASSES])]),
  'MatMul and Add': (g, a) =>
    g.add(
      g.matmul(g.reduceMean(a, [-1, -2]), parameter(g, 'head', [CHANNELS, CLASSES])),
      parameter(g, 'bias', [CLASSES]),
    ),
  '1×1 Conv': (g, a) => flat(g, g.op('Conv', [pooled(g, a), parameter(g, 'head', [CLASSES, CHANNELS, 1, 1])])),
  'ReduceMean, Dropout, Gemm': (g, a) =>
    g.op('Gemm', [g.op('Dropout', [g.reduceMean(a, [2, 3])]), parameter(g, 'head', [CLASSES, CHANNELS])], {
      transB: 1,
    }),
};

const network = (head: (g: GraphBuilder, features: Value) => Value): ModelDescription =>
  modelOf([1, 5, 5], CLASSES, (g, x) => {
    const h = g.op('Conv', [x, parameter(g, 'conv', [CHANNELS, 1, 3, 3])], { kernel_shape: [3, 3] });
    return g.rename(head(g, g.rename(h, 'features')), 'logits');
  });

describe('class activation maps', () => {
  it.each(Object.entries(heads))('average to the logits without their bias: %s', async (name, head) => {
    const model = network(head);
    const found = classActivationHead(model);
    expect(found).toMatchObject({ featureMap: 'features', weights: 'head' });
    const classifier = new Classifier(model, runtime);
    const program = await classifier.program('maps', 2, ({ g, model: apply }) => {
      const applied = apply(g.input('x', 'float32', [2, 1, 5, 5]));
      g.output(classActivationMaps(g, applied, found), 'maps');
      g.output(applied.logits, 'scores');
    });
    const { fetched } = await program.run({ x: feed(noiseImages(2, [1, 5, 5])) });
    expect(fetched.maps!.shape).toEqual([2, CLASSES, 3, 3]);
    const maps = floats(fetched.maps!);
    const bias = name.includes('Add') || name.endsWith('each class') ? numbers(CLASSES, 'bias'.length) : [0, 0, 0];
    floats(fetched.scores!).forEach((score, i) => {
      const mean = maps.subarray(i * 9, i * 9 + 9).reduce((a, b) => a + b, 0) / 9;
      expect(mean + bias[i % CLASSES]!).toBeCloseTo(score, 5);
    });
    await classifier.release();
  });

  it.each<[string, ModelDescription, RegExp]>([
    [
      'features that are not pooled',
      modelOf([1, 2, 2], CLASSES, (g, x) => {
        const h = g.relu(flat(g, x));
        return g.rename(g.op('Gemm', [h, parameter(g, 'head', [4, CLASSES])]), 'logits');
      }),
      /^'small' has no class activation maps: they need .* but Relu \('.*'\) stands where global average pooling is expected$/,
    ],
    [
      'no linear layer',
      modelOf([CLASSES, 2, 2], CLASSES, (g, x) => g.rename(flat(g, pooled(g, x)), 'logits')),
      /but GlobalAveragePool \('.*'\) stands where the last linear layer is expected$/,
    ],
    [
      'a mean over channels',
      modelOf([1, 2, 2], CLASSES, (g, x) => {
        const h = g.reduceMean(g.relu(x), [1, 2]);
        return g.rename(g.matmul(h, parameter(g, 'head', [2, CLASSES])), 'logits');
      }),
      /but ReduceMean \('.*'\) stands where global average pooling is expected$/,
    ],
    [
      'a scaled Gemm',
      modelOf([4, 2, 2], CLASSES, (g, x) => {
        const head = parameter(g, 'head', [4, CLASSES]);
        return g.rename(g.op('Gemm', [flat(g, pooled(g, x)), head], { alpha: 0.5 }), 'logits');
      }),
      /but Gemm \('.*'\) stands where a Gemm without alpha and transA is expected$/,
    ],
    [
      'a Gemm of transposed features',
      modelOf([4, 2, 2], CLASSES, (g, x) => {
        const column = g.reshape(pooled(g, x), [4, 1]);
        return g.rename(g.op('Gemm', [column, parameter(g, 'head', [4, CLASSES])], { transA: 1 }), 'logits');
      }),
      /but Gemm \('.*'\) stands where a Gemm without alpha and transA is expected$/,
    ],
  ])('are refused: %s', (_, model, message) => {
    expect(() => classActivationHead(model)).toThrow(message);
  });
});
