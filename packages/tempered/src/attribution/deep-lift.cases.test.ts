/** DeepLIFT, activations of layers and gradients of units as other libraries state or compute them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import { activation } from './activation.ts';
import { type AttributeOptions, attribute } from './attribute.ts';
import { deepLift } from './deep-lift.ts';
import { gradientTimesInput, plainGradient } from './gradient.ts';
import { type Case, cases, expectWithin, FILE, joined, modelFrom, present } from './testing/cases.ts';

const METHODS = /^((Layer)?DeepLift|LayerActivation|LayerGradientXActivation|NeuronGradient)$/;

type Explanation = Pick<AttributeOptions, 'method' | 'layer' | 'of'>;

/** What is to be explained by what; of several units, the attributions add up. */
function explanationsOf({ method, params, baseline, model }: Case): Explanation[] {
  if (method === 'NeuronGradient')
    return [params.neuron!]
      .flat()
      .map((unit) => ({ method: plainGradient(), of: { unit: `${params.layer}:${unit}` } }));
  const layer = params.layer === undefined ? {} : { layer: params.layer };
  if (method === 'LayerActivation') return [{ method: activation(), ...layer }];
  if (method === 'LayerGradientXActivation') return [{ method: gradientTimesInput(), ...layer }];
  const start = baseline ? joined(baseline, Object.keys(model.inputs)) : 'black';
  return [{ method: deepLift({ baseline: start, local: params.multiply_by_inputs === false }), ...layer }];
}

const sum = (tensors: readonly Tensor[]): Float32Array =>
  tensors[0]!.data.map((_, i) => tensors.reduce((total, { data }) => total + data[i]!, 0));

describe.skipIf(!present)(`published DeepLIFT (skipped where ${FILE} is absent)`, () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createNodeRuntime({ threads: 1 });
  });
  afterAll(() => runtime.close());

  const chosen = cases.filter(({ method }) => METHODS.test(method));
  it.each(chosen.map((given) => [given.id, given] as const))('%s', async (_, given) => {
    const inputs = Object.keys(given.model.inputs);
    const classifier = new Classifier(modelFrom(given), runtime);
    const options = { images: joined(given.input, inputs), target: given.target ?? 0 };
    const found: Tensor[] = [];
    for (const explanation of explanationsOf(given))
      found.push((await attribute(classifier, { ...options, ...explanation })).attributions);
    const names = 'layer' in given.expected ? ['layer'] : inputs;
    expectWithin(sum(found), joined(given.expected, names).data, given.tolerance);
  });

  it('has cases of every method', () => {
    expect(chosen.length).toBeGreaterThanOrEqual(11);
  });
});
