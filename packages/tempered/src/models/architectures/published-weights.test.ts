import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { trainingForm } from '../../training/training-graph.ts';
import { Classifier, type ModelDescription } from '../classifier.ts';
import { readModel } from '../load.ts';
import { predictLogits } from '../predict.ts';
import { noiseImages } from '../testing/small-models.ts';
import { type ArchitectureName, createModel } from './index.ts';

const folder = new URL('../../../../../../shared/models/', import.meta.url);

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

/** Their file holds ps.0, ps.1, ... (weights and biases in the order of the layers) and the head as a 1×1 convolution. */
function withPublishedWeights(model: ModelDescription, published: ModelDescription): ModelDescription {
  const initializers = new Map(model.graph.initializers);
  const { trainable } = trainingForm(model.graph);
  trainable.forEach((name, i) => {
    const { data } = published.graph.initializers.get(name === 'logits.weight' ? 'head' : `ps.${i}`)!;
    initializers.set(name, { ...initializers.get(name)!, data });
  });
  return { ...model, graph: { ...model.graph, initializers } };
}

describe.skipIf(!existsSync(folder))('with the published weights (needs ../shared/models)', () => {
  it.each<[string, ArchitectureName, number]>([
    ['mnist-small-normal', 'gap-small', 8],
    ['mnist-small-int2adv', 'gap-small', 8],
    ['cifar-small-adv', 'gap-small', 8],
    ['restricted-imagenet-normal', 'gap-wresnet', 1],
  ])('%s has the same logits as %s', async (file, architecture, count) => {
    const published = readModel(readFileSync(new URL(`${file}.onnx`, folder)));
    const [channels, height, width] = published.inputShape as [number, number, number];
    const inputShape = [channels, height, width] as const;
    const ours = withPublishedWeights(createModel({ architecture, inputShape, classes: published.classes }), published);
    const images = noiseImages(count, inputShape);
    const expected = await predictLogits(new Classifier(published, runtime), images);
    const logits = await predictLogits(new Classifier(ours, runtime), images);
    const scale = Math.max(...expected.data.map(Math.abs));
    for (const [i, value] of expected.data.entries())
      expect(Math.abs(logits.data[i]! - value)).toBeLessThan(1e-5 * scale);
  });
});
