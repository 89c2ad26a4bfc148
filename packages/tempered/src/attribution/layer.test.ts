import { afterAll, beforeAll, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { modelOf, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type AttributionMethod, attribute } from './attribute.ts';
import { conductance, neuronConductance } from './conductance.ts';
import { gradientTimesInput, plainGradient } from './gradient.ts';
import { guidedBackprop } from './guided-backprop.ts';
import { integratedGradients } from './integrated-gradients.ts';
import { internalInfluence } from './internal-influence.ts';
import { resolveLayer } from './layer.ts';

/** Nodes that change nothing around a tanh, and one that nothing reads after the sum. */
const idle = modelOf([4], 2, (g, x) => {
  const same = g.rename(g.op('Identity', [x]), 'same');
  const inner = g.rename(g.tanh(same), 'inner');
  const dropped = g.rename(g.op('Dropout', [inner]), 'dropped');
  const shaped = g.rename(g.op('Reshape', [dropped, g.integers([-1, 4])]), 'shaped');
  const halves = g.rename(g.reduceSum(g.op('Reshape', [shaped, g.integers([-1, 2, 2])]), [2]), 'halves');
  return g.rename(g.op('Identity', [halves]), 'logits');
});
const { nodes } = idle.graph;
const named = { ...idle, graph: { ...idle.graph, nodes: nodes.map((node) => ({ ...node, name: `the ${node.op}` })) } };

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

it.each([
  ['inner', 'inner'],
  ['the Tanh', 'inner'],
  ['dropped', 'inner'],
  ['shaped', 'inner'],
  ['the Dropout', 'inner'],
  ['halves', 'logits'],
  ['logits', 'logits'],
])('%s is the value %s of programs', async (name, value) => {
  expect(resolveLayer(named, name)).toBe(value);
  const classifier = new Classifier(named, runtime);
  const images = noiseImages(2, [4]);
  for (const method of [plainGradient(), integratedGradients({ steps: 2 })]) {
    const { attributions, layer } = await attribute(classifier, { images, target: 0, method, layer: name });
    expect([attributions.shape, layer]).toEqual([[2, value === 'inner' ? 4 : 2], value]);
  }
});

it.each([
  ['same', "the layer 'same' of 'small' is the image itself: leave out the layer"],
  ['nothing', /^'small' has no layer 'nothing'; its layers are inner, .*logits$/],
  ['INN', "'small' has no layer 'INN'; there are inner"],
])('refuses %s', (name, message) => {
  expect(() => resolveLayer(named, name)).toThrow(message);
});

it.each<[AttributionMethod]>([
  [plainGradient()],
  [gradientTimesInput()],
  [guidedBackprop()],
  [integratedGradients({ steps: 2 })],
  [conductance({ steps: 2 })],
  [internalInfluence({ steps: 2 })],
])('a unit that does not depend on the layer has no attributions there: $name', async (method) => {
  const classifier = new Classifier(idle, runtime);
  const options = { images: noiseImages(2, [4]), of: { unit: 'inner:0' }, method, layer: 'logits' };
  await expect(attribute(classifier, options)).rejects.toThrow(
    /^what is explained does not depend on the layer 'logits', so that its attributions are all 0: name a layer before it$/,
  );
});

it('nothing flows through a unit after the one explained', async () => {
  const classifier = new Classifier(idle, runtime);
  const method = neuronConductance({ unit: 'logits:0' });
  await expect(attribute(classifier, { images: noiseImages(2, [4]), of: { unit: 'inner:0' }, method })).rejects.toThrow(
    /^what is explained does not depend on the layer 'logits'/,
  );
});
