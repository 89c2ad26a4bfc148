import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { type GraphBuilder, specialize, type Value } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromArrays } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import { createRandom } from '../random.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { sizeOf } from '../tensor.ts';
import { train } from '../training/train.ts';
import { trainingForm } from '../training/training-graph.ts';
import { createModel } from './architectures/index.ts';
import { Classifier, type ModelDescription } from './classifier.ts';
import { unfreeze } from './frozen.ts';
import { readModel, writeModelFile } from './load.ts';
import { withNewHead } from './new-head.ts';
import { predictLogits } from './predict.ts';
import { modelOf, noiseImages } from './testing/small-models.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const CLASSES = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const INPUT = [2, 4, 4];

function parameter(g: GraphBuilder, name: string, shape: readonly number[]): Value {
  const data = new Float32Array(sizeOf(shape));
  createRandom(3, name).fillNormal(data, 0, 0.5);
  return g.parameter(name, { dtype: 'float32', shape, data });
}
const flat = (g: GraphBuilder, x: Value) => g.op('Flatten', [x], { axis: 1 });
const hidden = (g: GraphBuilder, x: Value) => g.relu(g.op('Gemm', [flat(g, x), parameter(g, 'w1', [32, 8])]));

/** Ends of classifiers with 3 classes, as exporters write them. */
const ENDS: Record<string, (g: GraphBuilder, x: Value) => Value> = {
  'Gemm with transB (PyTorch)': (g, x) =>
    g.op('Gemm', [hidden(g, x), parameter(g, 'w', [3, 8]), parameter(g, 'b', [3])], { transB: 1 }),
  'Gemm without transB or bias': (g, x) => g.op('Gemm', [hidden(g, x), parameter(g, 'w', [8, 3])]),
  'MatMul and Add (Keras)': (g, x) => g.add(g.matmul(hidden(g, x), parameter(g, 'w', [8, 3])), parameter(g, 'b', [3])),
  'MatMul of a transposed weight': (g, x) =>
    g.matmul(hidden(g, x), g.op('Transpose', [parameter(g, 'w', [3, 8])], { perm: [1, 0] })),
  'Gemm and a Reshape that knows the classes': (g, x) =>
    g.op('Reshape', [g.op('Gemm', [hidden(g, x), parameter(g, 'w', [8, 3])]), g.integers([-1, 3])]),
  '1×1 convolution of the means': (g, x) =>
    flat(g, g.op('Conv', [g.op('GlobalAveragePool', [x]), parameter(g, 'w', [3, 2, 1, 1]), parameter(g, 'b', [3])])),
  'means of a convolution (SqueezeNet)': (g, x) =>
    flat(
      g,
      g.op('GlobalAveragePool', [g.relu(g.op('Conv', [x, parameter(g, 'w', [3, 2, 1, 1]), parameter(g, 'b', [3])]))]),
    ),
};

describe.each(Object.entries(ENDS))('%s', (_, end) => {
  const old = modelOf(INPUT, 3, (g, x) => g.rename(end(g, x), 'logits'));
  const model = withNewHead(old, { classes: CLASSES, seed: 5 });

  it('gets as many logits as there are new classes, and keeps the rest', async () => {
    const images = noiseImages(3, INPUT);
    const logits = await predictLogits(new Classifier(model, runtime), images);
    expect(logits.shape).toEqual([3, 7]);
    expect(new Set(logits.data).size).toBeGreaterThan(7);
    expect(readModel(writeModelFile(model)).classes).toEqual(CLASSES);
    expect(model.graph.initializers.get('w1')).toBe(old.graph.initializers.get('w1'));
  });

  it('freezes everything else on request', () => {
    const frozen = withNewHead(old, { classes: CLASSES, freeze: true });
    const own = ['w', 'b'].filter((name) => old.graph.initializers.has(name));
    expect(new Set(trainingForm(frozen.graph).trainable)).toEqual(new Set(own));
    expect(trainingForm(unfreeze(frozen).graph).trainable).toEqual(trainingForm(old.graph).trainable);
  });
});

it.each<[string, (g: GraphBuilder, x: Value) => Value, RegExp]>([
  ['no layer', (g, x) => g.reduceMean(x, [2, 3]), /'input' is not computed by any layer/],
  ['a product', (g, x) => g.mul(hidden(g, x), hidden2(g, x)), /Mul '.*' stands before a layer/],
  ['a sum of two layers', (g, x) => g.add(hidden(g, x), hidden2(g, x)), /adds something other than a bias/],
  ['a computed weight', (g, x) => g.matmul(flat(g, x), g.exp(parameter(g, 'w', [32, 3]))), /is computed, not stored/],
  [
    'a shared weight',
    (g, x) => {
      const weight = parameter(g, 'w', [32, 32]);
      return g.matmul(g.matmul(flat(g, x), weight), weight);
    },
    /'w' is also used by/,
  ],
  [
    'a class count behind a convolution',
    (g, x) => {
      const maps = g.op('Conv', [g.op('GlobalAveragePool', [x]), parameter(g, 'w', [3, 2, 1, 1])]);
      return g.op('Reshape', [maps, g.integers([-1, 3])]);
    },
    /does not take 7 classes|output has shape/,
  ],
])('refuses %s', (_, end, message) => {
  const model = modelOf(INPUT, 3, (g, x) => g.rename(end(g, x), 'logits'));
  expect(() => withNewHead(model, { classes: CLASSES })).toThrow(UsageError);
  expect(() => withNewHead(model, { classes: CLASSES })).toThrow(message);
});

function hidden2(g: GraphBuilder, x: Value): Value {
  return g.op('Gemm', [flat(g, x), parameter(g, 'w2', [32, 8])]);
}

it('trains a frozen network in its last layer only, and batch normalisation keeps its statistics', async () => {
  const base: ModelDescription = createModel({
    architecture: 'cifar-small-resnet',
    inputShape: [3, 8, 8],
    classes: ['x', 'y'],
  });
  const model = withNewHead(base, { classes: ['p', 'q', 'r'], freeze: true });
  const { data: pixels } = noiseImages(12, [3, 8, 8]);
  const labels = Int32Array.from({ length: 12 }, (_, i) => i % 3);
  const dataset = fromArrays({
    name: 'noise',
    split: 'train',
    classes: model.classes,
    imageShape: [3, 8, 8],
    pixels,
    labels,
  });
  const { last } = await train({ runtime, model, dataset, epochs: 2, batchSize: 6 });
  const changed = [...last.graph.initializers].filter(
    ([name, { data }]) => Buffer.compare(bytes(data), bytes(model.graph.initializers.get(name)!.data)) !== 0,
  );
  expect(changed.map(([name]) => name).sort()).toEqual(['logits.bias', 'logits.weight']);
});

const bytes = (data: ArrayBufferView | readonly string[]) =>
  ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.alloc(0);

const fixtures = new URL('../../../../../shared/fixtures/pytorch-gradients/', import.meta.url);
const exported = existsSync(fixtures) ? readdirSync(fixtures) : [];

describe.skipIf(exported.length === 0)('models of PyTorch (needs ../shared/fixtures)', () => {
  it.each(exported)('%s gets a new head', (name) => {
    const old = readModel(readFileSync(new URL(`${name}/model.onnx`, fixtures)));
    const model = withNewHead(old, { classes: CLASSES, freeze: true });
    const graph = specialize(model.graph, { [model.input]: [1, ...model.inputShape] });
    expect(graph.outputs.find((output) => output.name === model.logits)!.shape).toEqual([1, 7]);
    const trained = trainingForm(model.graph).trainable;
    expect(trained.length).toBeLessThanOrEqual(2);
    expect(trained.every((key) => model.graph.initializers.get(key)!.shape.includes(7))).toBe(true);
  });
});
