import { parseModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromArrays } from '../../data/dataset.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { sizeOf } from '../../tensor.ts';
import { train } from '../../training/train.ts';
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

const INPUTS: Record<ArchitectureName, [number, number, number]> = {
  'small-cnn': [3, 32, 32],
  'mnist-cnn': [1, 28, 28],
  'cifar-resnet18': [3, 32, 32],
};
const CLASSES = Array.from({ length: 10 }, (_, k) => `class ${k}`);
const names = Object.keys(architectures) as ArchitectureName[];
const create = (architecture: ArchitectureName, seed = 0) =>
  createModel({ architecture, inputShape: INPUTS[architecture], classes: CLASSES, seed });

/** Models are made once: millions of random weights take seconds. */
const made = new Map<ArchitectureName, ModelDescription>();
function model(name: ArchitectureName): ModelDescription {
  const known = made.get(name) ?? create(name);
  made.set(name, known);
  return known;
}

it.each<[ArchitectureName, number]>([
  // Madry et al.'s network, counted by hand: 832 + 51,264 + 3,212,288 + 10,250.
  ['mnist-cnn', 3_274_634],
  // The usual CIFAR ResNet-18 of PyTorch, without running statistics.
  ['cifar-resnet18', 11_173_962],
])('%s has %i parameters', (name, count) => {
  const trained = [...model(name).graph.initializers].filter(
    ([key, { dtype }]) => dtype === 'float32' && !key.includes('running_'),
  );
  expect(trained.reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0)).toBe(count);
});

it.each(['small-cnn', 'mnist-cnn'] as const)(
  '%s is the same for the same seed, byte for byte, and another for another',
  (name) => {
    const bytes = writeModelFile(model(name));
    expect(Buffer.compare(writeModelFile(create(name)), bytes)).toBe(0);
    expect(Buffer.compare(writeModelFile(create(name, 1)), bytes)).not.toBe(0);
  },
);

describe.each(names)('%s', (name) => {
  it('is the same after it was written and read', async () => {
    const bytes = writeModelFile(model(name));
    const read = readModel(bytes);
    expect(read).toMatchObject({ classes: CLASSES, inputShape: INPUTS[name] });
    expect(parseModel(bytes).metadata['tempered.architecture']).toBe(name);
    const images = noiseImages(2, INPUTS[name]);
    const logits = await predictLogits(new Classifier(model(name), runtime), images);
    expect((await predictLogits(new Classifier(read, runtime), images)).data).toEqual(logits.data);
  });

  it('starts training near chance', async () => {
    // By the training form: before any training, batch normalisation has no statistics to evaluate with.
    const count = name === 'cifar-resnet18' ? 10 : 40;
    const labels = Int32Array.from({ length: count }, (_, i) => i % 10);
    const { data: pixels } = noiseImages(count, INPUTS[name]);
    const noise = { name: 'noise', split: 'train', classes: CLASSES, imageShape: INPUTS[name], pixels, labels };
    const { history } = await train({
      runtime,
      model: model(name),
      dataset: fromArrays(noise),
      epochs: 1,
      batchSize: count,
    });
    expect(Math.abs(history[0]!.loss - Math.log(10))).toBeLessThan(0.3);
  });
});
