import { emptyGraph, type Graph, GraphBuilder, parseModel, type Value } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromArrays } from '../../data/dataset.ts';
import type { Random } from '../../random.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { sizeOf } from '../../tensor.ts';
import { train } from '../../training/train.ts';
import { trainingForm } from '../../training/training-graph.ts';
import { Classifier, type ModelDescription } from '../classifier.ts';
import { readModel, writeModelFile } from '../load.ts';
import { predictLogits } from '../predict.ts';
import { noiseImages } from '../testing/small-models.ts';
import { type ArchitectureName, architectures, createModel } from './index.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const CLASSES = Array.from({ length: 10 }, (_, k) => `class ${k}`);

interface Expected {
  input: [number, number, number];
  classes?: number;
  /** Trained numbers, without running statistics. */
  parameters: number;
}

const EXPECTED: Record<ArchitectureName, Expected> = {
  'small-cnn': { input: [3, 32, 32], parameters: 784 + 8_224 + 18_496 + 409_700 + 1_010 },
  'strided-cnn': { input: [3, 32, 32], parameters: 448 + 4_640 + 18_496 + 10_250 },
  // Madry et al.'s network, counted by hand.
  'mnist-cnn': { input: [1, 28, 28], parameters: 832 + 51_264 + 3_212_288 + 10_250 },
  'mnist-tutorial-cnn': { input: [1, 28, 28], parameters: 832 + 51_264 + 3_212_288 + 10_250 },
  // Kim, Seo & Jeon's, counted by hand from their layer tables: 12,544 and 4,096 features.
  'mnist-cnn-one-pool': { input: [1, 28, 28], parameters: 832 + 51_264 + 12_545 * 1024 + 10_250 },
  'cifar-cnn': { input: [3, 32, 32], parameters: 896 + 9_248 + 18_496 + 36_928 + 4_097 * 512 + 5_130 },
  'mixnorm-dnn': { input: [2, 1, 1], classes: 2, parameters: 384 + 258 },
  // Published with the networks of Boopathy et al.
  'gap-small': { input: [1, 28, 28], parameters: 166_396 },
  'gap-pool': { input: [1, 28, 28], parameters: 52_736 },
  'gap-wresnet': { input: [3, 32, 32], parameters: 463_008 },
  'cifar-small-resnet': {
    input: [3, 32, 32],
    parameters: 864 + 2 * 9_216 + (18_432 + 36_864 + 2_048) + (73_728 + 147_456 + 8_192) + 2 * 480 + 1_290,
  },
  // The usual models of PyTorch.
  'cifar-resnet18': { input: [3, 32, 32], parameters: 11_173_962 },
  resnet18: { input: [3, 64, 64], classes: 1000, parameters: 11_689_512 },
  resnet50: { input: [3, 64, 64], classes: 1000, parameters: 25_557_032 },
};

const names = Object.keys(architectures) as ArchitectureName[];
const create = (architecture: ArchitectureName, seed = 0) => {
  const { input, classes = 10 } = EXPECTED[architecture];
  const labels = Array.from({ length: classes }, (_, k) => `class ${k}`);
  return createModel({ architecture, inputShape: input, classes: labels, seed });
};

/** Models are made once: millions of random weights take seconds. */
const made = new Map<ArchitectureName, ModelDescription>();
function model(name: ArchitectureName): ModelDescription {
  const known = made.get(name) ?? create(name);
  made.set(name, known);
  return known;
}

/** Draws nothing: shapes do not depend on the weights, and millions of random numbers take seconds. */
const still: Random = {
  bits: () => 0,
  uniform: () => 0,
  normal: () => 0,
  integer: () => 0,
  shuffle: (n) => new Uint32Array(n),
  fillUniform: () => {},
  fillNormal: () => {},
  split: () => still,
};

/** The network with weights of 0, for a batch of 2. */
function written(name: ArchitectureName): { graph: Graph; logits: Value; classes: number } {
  const { input, classes = 10 } = EXPECTED[name];
  const g = new GraphBuilder(emptyGraph(name));
  const logits = architectures[name]({ g, random: still }, g.input('input', 'float32', [2, ...input]), classes);
  return { graph: g.graph, logits, classes };
}

describe.each(names)('%s', (name) => {
  const { graph, logits, classes } = written(name);

  it('has as many parameters as published', () => {
    const { trainable } = trainingForm({
      ...graph,
      outputs: [{ name: logits.name, dtype: 'float32', shape: [2, classes] }],
    });
    const counts = trainable.map((key) => sizeOf(graph.initializers.get(key)!.shape));
    expect(counts.reduce((sum, count) => sum + count)).toBe(EXPECTED[name].parameters);
  });

  it('names its logits and its representation', () => {
    const g = new GraphBuilder(graph);
    expect(logits).toMatchObject({ name: 'logits', shape: [2, classes] });
    expect(g.value('representation').shape).toEqual([2, expect.any(Number)]);
  });
});

describe('initial weights', () => {
  const weights = (name: ArchitectureName, key: string) =>
    model(name).graph.initializers.get(key)!.data as Float32Array;
  const deviation = (data: Float32Array) => Math.sqrt(data.reduce((sum, v) => sum + v * v, 0) / data.length);

  it('are uniform after Glorot where the source says so', () => {
    const limit = Math.sqrt(6 / (32 * 25 + 64 * 25));
    const data = weights('mnist-cnn-one-pool', 'conv2.weight');
    expect(Math.max(...data.map(Math.abs))).toBeLessThanOrEqual(limit);
    expect(deviation(data) / (limit / Math.sqrt(3))).toBeCloseTo(1, 1);
  });

  it('have variance 1 / fan-in in the networks of Boopathy et al.', () => {
    expect(deviation(weights('gap-small', 'conv3.weight')) * Math.sqrt(49 * 32)).toBeCloseTo(1, 1);
    expect(deviation(weights('gap-small', 'logits.weight')) * Math.sqrt(100)).toBeCloseTo(1, 1);
  });

  it('are cut at two deviations in the tutorial network, with biases of 0.1', () => {
    const data = weights('mnist-tutorial-cnn', 'hidden.weight');
    expect(data.every((value) => Math.abs(value) <= 0.2)).toBe(true);
    // The deviation of a standard normal number between -2 and 2.
    expect(deviation(data)).toBeCloseTo(0.1 * 0.8796, 3);
    expect(new Set(weights('mnist-tutorial-cnn', 'conv1.bias'))).toEqual(new Set([Math.fround(0.1)]));
  });
});

it.each(['small-cnn', 'gap-small'] as const)(
  '%s is the same for the same seed, byte for byte, and another for another',
  (name) => {
    const bytes = writeModelFile(model(name));
    expect(Buffer.compare(writeModelFile(create(name)), bytes)).toBe(0);
    expect(Buffer.compare(writeModelFile(create(name, 1)), bytes)).not.toBe(0);
  },
);

/** The largest ones are left to their parameter counts: the layers are those of others here. */
const LARGE: readonly ArchitectureName[] = ['mnist-cnn-one-pool', 'cifar-resnet18', 'resnet18', 'resnet50'];
const shallow = names.filter((name) => !LARGE.includes(name));

describe.each(shallow)('%s', (name) => {
  it('is the same after it was written and read', async () => {
    const bytes = writeModelFile(model(name));
    const read = readModel(bytes);
    expect(read).toMatchObject({ classes: model(name).classes, inputShape: EXPECTED[name].input });
    expect(parseModel(bytes).metadata['tempered.architecture']).toBe(name);
    const images = noiseImages(2, EXPECTED[name].input);
    const logits = await predictLogits(new Classifier(model(name), runtime), images);
    expect((await predictLogits(new Classifier(read, runtime), images)).data).toEqual(logits.data);
  });
});

/** The sources' own initialisations start further away. */
it.each(['small-cnn', 'mnist-cnn', 'cifar-small-resnet'] as const)('%s starts training near chance', async (name) => {
  // By the training form: before any training, batch normalisation has no statistics to evaluate with.
  const count = 40;
  const { input } = EXPECTED[name];
  const labels = Int32Array.from({ length: count }, (_, i) => i % 10);
  const { data: pixels } = noiseImages(count, input);
  const noise = { name: 'noise', split: 'train', classes: CLASSES, imageShape: input, pixels, labels };
  const { history } = await train({
    runtime,
    model: model(name),
    dataset: fromArrays(noise),
    epochs: 1,
    batchSize: count,
  });
  expect(Math.abs(history[0]!.loss - Math.log(10))).toBeLessThan(0.3);
});
