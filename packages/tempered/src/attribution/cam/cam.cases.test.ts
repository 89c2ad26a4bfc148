/** Class activation maps, guided passes and resizing against published numbers: `attribution-cases.json`. */
import { emptyGraph, GraphBuilder, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { feed, floats } from '../../models/batching.ts';
import { Classifier } from '../../models/classifier.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Tensor } from '../../tensor.ts';
import { type AttributionMethod, attribute } from '../attribute.ts';
import { deconvnet, guidedBackprop } from '../guided-backprop.ts';
import {
  type Case,
  cases,
  expectWithin,
  FILE,
  flatten,
  joined,
  modelFrom,
  type Nested,
  present,
  shapeOf,
} from '../testing/cases.ts';
import { type ChannelWeights, weighed } from './activation-map.ts';
import { gradCam, gradCamWeights } from './grad-cam.ts';
import { gradCamPlusPlusWeights } from './grad-cam-plus-plus.ts';
import { resized } from './resizing.ts';
import { xGradCamWeights } from './xgrad-cam.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const tensorOf = (nested: Nested): Tensor => ({ shape: shapeOf(nested), data: Float32Array.from(flatten(nested)) });

const METHODS: Readonly<Record<string, (given: Case) => AttributionMethod>> = {
  GuidedBackprop: guidedBackprop,
  Deconvolution: deconvnet,
  LayerGradCam: ({ params }) => gradCam({ relu: params.relu_attributions === true, resize: 'none' }),
};

describe.skipIf(!present)(`published maps (skipped where ${FILE} is absent)`, () => {
  for (const given of cases.filter(({ method }) => method in METHODS))
    it(given.id, async () => {
      const inputs = Object.keys(given.model.inputs);
      const model = modelFrom(given);
      // The joined input is reshaped to the case's own first of all.
      const layer = given.params.layer?.startsWith('input:') ? model.graph.nodes[0]!.outputs[0] : given.params.layer;
      const { attributions, layer: looked } = await attribute(new Classifier(model, runtime), {
        images: joined(given.input, inputs),
        method: METHODS[given.method]!(given),
        target: given.target ?? 0,
        ...(layer && { layer }),
      });
      if (layer) expect(looked).toBe(layer);
      const expected = given.expected.layer ? tensorOf(given.expected.layer) : joined(given.expected, inputs);
      expect(attributions.shape).toEqual(expected.shape);
      expectWithin(attributions.data, expected.data, given.tolerance);
    });

  const VARIANTS: Readonly<Record<string, ChannelWeights>> = {
    GradCAM: gradCamWeights,
    'GradCAM++': gradCamPlusPlusWeights('sum'),
    XGradCAM: xGradCamWeights,
  };

  for (const given of cases.filter(({ method }) => method === 'CAM.weights'))
    it(given.id, async () => {
      const weights = VARIANTS[given.params.variant!]!;
      const { expected, tolerance } = given;
      const found = await weightsAndMap(weights, given.input.activations!, given.input.gradients!);
      if (expected.weights) expectWithin(found.weights, tensorOf(expected.weights).data, tolerance);
      if (expected.cam) expectWithin(found.map, tensorOf(expected.cam).data, tolerance);
      if (expected.camReluMaxNormalised) {
        const positive = found.map.map((value) => Math.max(0, value));
        const largest = Math.max(...positive);
        const normalised = positive.map((value) => value / largest);
        expectWithin(normalised, tensorOf(expected.camReluMaxNormalised).data, tolerance);
      }
    });

  for (const given of cases.filter(({ method }) => method === 'Resize'))
    it(given.id, async () => {
      const map = tensorOf([[given.input.map!]]);
      const how = given.params.alignCorners ? 'bilinear-corners' : 'bilinear';
      const found = await resizedMap(map, given.params.size!, how);
      expectWithin(found, tensorOf(given.expected.map!).data, given.tolerance);
    });

  it('has the cases of these methods', () => {
    const count = (method: RegExp) => cases.filter((given) => method.test(given.method)).length;
    expect([
      count(/^(GuidedBackprop|Deconvolution)$/),
      count(/^LayerGradCam$/),
      count(/^CAM/),
      count(/^Resize$/),
    ]).toEqual([2, 3, 4, 1]);
  });
});

/** The fixture's maps of Grad-CAM++ by the mean (Xplique's third and so on), which follow from its formula by hand. */
it('Grad-CAM++ by the mean halves the weight of the fixture whose sum gives 2/3', async () => {
  const ones = [
    [
      [
        [1, 1],
        [1, 1],
      ],
      [
        [1, 1],
        [0, 0],
      ],
      [
        [0, 0],
        [0, 0],
      ],
      [
        [0.5, 0],
        [0, 0],
      ],
    ],
  ];
  const { weights } = await weightsAndMap(gradCamPlusPlusWeights('mean'), ones, ones);
  // mean of α relu(g) with α = 1 / (2 + g · mean A)
  const expected = [1 / (2 + 1), 0.5 / (2 + 0.5), 0, 0.5 / (2 + 0.5 * 0.125) / 4];
  expectWithin(weights, Float32Array.from(expected), { atol: 1e-6, mode: 'max' });
});

async function weightsAndMap(weights: ChannelWeights, activations: Nested, slopes: Nested) {
  const g = new GraphBuilder(emptyGraph('weights'));
  const [a, s] = [tensorOf(activations), tensorOf(slopes)];
  const inputs = [g.input('a', 'float32', a.shape), g.input('s', 'float32', s.shape)] as const;
  g.output(weights(g, ...inputs), 'weights');
  g.output(weighed(weights)(g, ...inputs), 'map');
  const program = await runtime.compile(writeModel(g.graph), { label: 'weights' });
  const { fetched } = await program.run({ a: feed(a), s: feed(s) });
  return { weights: floats(fetched.weights!), map: floats(fetched.map!) };
}

async function resizedMap(map: Tensor, [height, width]: readonly number[], how: Parameters<typeof resized>[3]) {
  const g = new GraphBuilder(emptyGraph('resize'));
  g.output(resized(g, g.input('map', 'float32', map.shape), [3, height!, width!], how), 'out');
  const program = await runtime.compile(writeModel(g.graph), { label: 'resize' });
  const { fetched } = await program.run({ map: feed(map) });
  return floats(fetched.out!);
}
