/** Attributions that other libraries state or compute, where their definition is one of ours. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { predictLogits } from '../models/predict.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows } from '../tensor.ts';
import { type AttributeOptions, type AttributionMethod, attribute } from './attribute.ts';
import type { Baseline } from './baseline.ts';
import { conductance, neuronConductance } from './conductance.ts';
import { gradientShap } from './expected-gradients.ts';
import { gradientTimesInput, plainGradient } from './gradient.ts';
import { integratedGradients } from './integrated-gradients.ts';
import { internalInfluence } from './internal-influence.ts';
import type { QuadratureRule } from './quadrature.ts';
import { smoothGrad, smoothGradSquared, varGrad } from './smoothgrad.ts';
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
} from './testing/cases.ts';

const METHODS =
  /^(Saliency|Gradient|InputXGradient|IntegratedGradients(\.convergenceDelta)?|NoiseTunnel|SmoothGrad|GradientShap|LayerGradientXActivation|LayerConductance|InternalInfluence|Neuron(Gradient|IntegratedGradients|Conductance))$/;

const rules: Readonly<Record<string, QuadratureRule>> = {
  riemann_left: 'left',
  riemann_right: 'right',
  riemann_middle: 'midpoint',
  riemann_trapezoid: 'captum-trapezoid',
  gausslegendre: 'gauss-legendre',
};

/** Our method for a case. */
function methodOf(given: Case): AttributionMethod {
  const { params, method } = given;
  const path = { steps: params.n_steps, rule: rules[params.method ?? ''], baseline: baselineOf(given) };
  const local = params.multiply_by_inputs === false;
  switch (method) {
    case 'Saliency':
      return plainGradient({ absolute: params.abs });
    case 'Gradient':
    case 'NeuronGradient':
      return plainGradient();
    case 'InputXGradient':
    case 'LayerGradientXActivation':
      return gradientTimesInput();
    case 'NoiseTunnel':
    case 'SmoothGrad':
      return smoothedBy(given);
    case 'GradientShap':
      return gradientShap({ background: inputsOf(given, given.baseline!), sigma: params.stdevs, local });
    case 'LayerConductance':
      return conductance(path);
    case 'InternalInfluence':
      return internalInfluence(path);
    case 'NeuronConductance':
      // A reshape that changes nothing is left out: the last layer is then called logits.
      return neuronConductance({
        ...path,
        unit: `${params.layer === given.model.output ? 'logits' : params.layer}:${params.neuron}`,
        local,
      });
    default:
      return integratedGradients({ ...path, local });
  }
}

function smoothedBy({ id, params }: Case): AttributionMethod {
  const make = { smoothgrad: smoothGrad, smoothgrad_sq: smoothGradSquared, vargrad: varGrad }[params.nt_type ?? ''];
  // Noise that other generators drew cannot be compared with ours.
  if (make === undefined || params.stdevs !== 0) throw new Error(`${id} cannot be checked`);
  return make({ samples: 3, sigma: 0 });
}

const inputsOf = ({ model }: Case, values: Record<string, Nested>) => joined(values, Object.keys(model.inputs));

/** Where there is a baseline for each example, all are equal. */
const baselineOf = (given: Case): Baseline => (given.baseline ? rows(inputsOf(given, given.baseline), 0, 1) : 'black');

/** Several neurons of a case are explained by their sum, which is the sum of their explanations. */
function partsOf({ method, params }: Case): Pick<AttributeOptions, 'of' | 'layer'>[] {
  if (method === 'NeuronGradient' || method === 'NeuronIntegratedGradients')
    return [params.neuron!].flat().map((neuron) => ({ of: { unit: `${params.layer}:${neuron}` } }));
  return [method.startsWith('Neuron') ? {} : { layer: params.layer }];
}

describe.skipIf(!present)(`published attributions (skipped where ${FILE} is absent)`, () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createNodeRuntime({ threads: 1 });
  });
  afterAll(() => runtime.close());

  for (const given of cases.filter(({ method }) => METHODS.test(method))) {
    it(given.id, async () => {
      const method = methodOf(given);
      const images = inputsOf(given, given.input);
      const classifier = new Classifier(modelFrom(given), runtime);
      const logits = await predictLogits(classifier, images);
      const forward = Float32Array.from(flatten(given.forward));
      if (given.target !== null) expectWithin(logits.data, forward, { atol: 1e-4, mode: 'max' });
      const found: Float32Array[] = [];
      for (const part of partsOf(given)) {
        const target = given.target ?? 0;
        const { attributions, certificate } = await attribute(classifier, { images, method, target, ...part });
        found.push(attributions.data);
        const sums = certificate?.completeness ?? [];
        const { delta, delta_abs_max: bound } = given.expected;
        // A corner inside an interval may cost the sum as much as the attributions are allowed.
        const most = bound === undefined ? Number.POSITIVE_INFINITY : Math.max(bound as number, given.tolerance.atol);
        for (const { error } of sums) expect(error).toBeLessThan(most);
        if (delta !== undefined) {
          const deltas = Float32Array.from(sums, ({ sum, difference }) => sum - difference);
          expectWithin(deltas, Float32Array.from(flatten(delta)), given.tolerance);
        }
      }
      if (given.method.endsWith('convergenceDelta')) return;
      const expected = given.expected.layer
        ? Float32Array.from(flatten(given.expected.layer))
        : inputsOf(given, given.expected).data;
      expectWithin(
        expected.map((_, k) => found.reduce((sum, part) => sum + part[k]!, 0)),
        expected,
        given.tolerance,
      );
    });
  }

  it('has cases that we can check', () => {
    expect(cases.filter((given) => METHODS.test(given.method)).length).toBeGreaterThan(30);
  });
});
