import { parseModel, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromArrays } from '../data/dataset.ts';
import type { ModelDescription } from '../models/classifier.ts';
import { readModel, writeModelFile } from '../models/load.ts';
import { affineModel, modelOf } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { train } from './train.ts';
import { trainingForm } from './training-graph.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const dataset = fromArrays({
  name: 'two',
  split: 'train',
  classes: ['0', '1'],
  imageShape: [1, 1, 2],
  pixels: Float32Array.of(0.9, 0.1, 0.2, 0.8),
  labels: [0, 1],
});

const WEIGHTS = [
  [0.5, -0.5],
  [0.25, 1],
];

const once = async (model: ModelDescription) => {
  const { last } = await train({ runtime, model: { ...model, classes: ['0', '1'] }, dataset, epochs: 1, batchSize: 2 });
  return Object.fromEntries([...last.graph.initializers].map(([name, { data }]) => [name, Array.from(data, Number)]));
};

describe('trainingForm', () => {
  it('leaves the constants of the preprocessing alone', async () => {
    const file = writeModelFile(affineModel([1, 1, 2], WEIGHTS));
    const model = readModel(file, { mean: [0.5], std: [0.25] });
    expect(trainingForm(model.graph).trainable).toEqual(['weight', 'bias']);
    const before = Object.fromEntries(
      [...model.graph.initializers].map(([name, { data }]) => [name, Array.from(data, Number)]),
    );
    const after = await once(readModel(writeModelFile(model)));
    for (const name of Object.keys(before)) {
      const kept = name.startsWith('tempered.');
      expect(JSON.stringify(after[name]) === JSON.stringify(before[name]), name).toBe(kept);
    }
  });

  it('leaves numbers that only set up an operator alone', () => {
    const model = modelOf([2], 2, (g, x) => {
      const bound = (name: string, value: number) =>
        g.parameter(name, { dtype: 'float32', shape: [], data: Float32Array.of(value) });
      const h = g.op('Clip', [x, bound('low', 0), bound('high', 6)]);
      return g.rename(
        g.mul(h, g.parameter('scale', { dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) })),
        'logits',
      );
    });
    expect(trainingForm(model.graph).trainable).toEqual(['scale']);
  });

  it.each([9, 13, 14, 15, 17])('trains batch normalisation of operator set %i', async (opset) => {
    const model = modelOf([1, 1, 2], 2, (g, x) => {
      const vector = (name: string, value: number) =>
        g.parameter(name, { dtype: 'float32', shape: [1], data: Float32Array.of(value) });
      const inputs = [x, vector('scale', 1), vector('shift', 0), vector('mean', 0), vector('variance', 1)];
      const weight = g.parameter('weight', {
        dtype: 'float32',
        shape: [2, 2],
        data: Float32Array.from(WEIGHTS.flat()),
      });
      const h = g.op('Flatten', [g.op('BatchNormalization', inputs, { epsilon: 1e-5, momentum: 0.9 })], { axis: 1 });
      return g.rename(g.op('Gemm', [h, weight], { transB: 1 }), 'logits');
    });
    const graph = parseModel(writeModelFile(model));
    const older = readModel(writeModel({ ...graph, opsets: { '': opset } }));
    const after = await once(older);
    // Pixels 0.9, 0.1, 0.2, 0.8: mean 0.5, variance of the population 0.125.
    expect(after.mean![0]).toBeCloseTo(0.05, 6);
    expect(after.variance![0]).toBeCloseTo(0.9125, 6);
    expect(after.weight).not.toEqual(WEIGHTS.flat());
  });
});
