/** Attributions that other libraries state or compute, where their definition is one of ours. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { predictLogits } from '../models/predict.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows } from '../tensor.ts';
import { type AttributionMethod, attribute } from './attribute.ts';
import { gradientTimesInput, plainGradient } from './gradient.ts';
import { integratedGradients } from './integrated-gradients.ts';
import { smoothGrad } from './smoothgrad.ts';
import { type Case, cases, expectWithin, FILE, flatten, joined, modelFrom, present } from './testing/cases.ts';

const METHODS = /^(Saliency|Gradient|InputXGradient|IntegratedGradients(\.convergenceDelta)?|NoiseTunnel|SmoothGrad)$/;

/** Smooth functions, whose integral by another rule with few points is another number. */
const isSmooth = ({ model }: Case) => model.layers.some(({ op }) => /Sigmoid|Tanh|Softplus/.test(op));

/** Our method for a case, or why there is none. */
function methodOf(given: Case): AttributionMethod | string {
  const { params, method } = given;
  if (method === 'Saliency' || method === 'Gradient') return plainGradient();
  if (method === 'InputXGradient') return gradientTimesInput();
  if (method === 'NoiseTunnel' || method === 'SmoothGrad') {
    if (params.nt_type !== 'smoothgrad') return `${params.nt_type} is not built`;
    return params.stdevs === 0 ? smoothGrad({ samples: 3, sigma: 0 }) : 'the noise is not ours';
  }
  if (params.multiply_by_inputs === false) return 'local attributions, not multiplied by the input';
  const steps = params.n_steps ?? 50;
  const rule = params.method ?? '';
  if (rule !== 'riemann_middle' && isSmooth(given)) {
    // Gauss–Legendre with many points is the integral itself, and so are many midpoints.
    return rule === 'gausslegendre' && steps >= 50
      ? withBaseline(given, 2000)
      : `${rule} with ${steps} points of a smooth function`;
  }
  return withBaseline(given, steps);
}

/** Where there is a baseline for each example, all are equal. */
const withBaseline = ({ baseline, model }: Case, steps: number): AttributionMethod =>
  integratedGradients({
    steps,
    baseline: baseline ? rows(joined(baseline, Object.keys(model.inputs)), 0, 1) : 'black',
  });

describe.skipIf(!present)(`published attributions (skipped where ${FILE} is absent)`, () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createNodeRuntime({ threads: 1 });
  });
  afterAll(() => runtime.close());

  for (const given of cases.filter(({ method }) => METHODS.test(method))) {
    const method = methodOf(given);
    if (typeof method === 'string') {
      it.skip(`${given.id}: ${method}`, () => {});
      continue;
    }
    it(given.id, async () => {
      const inputs = Object.keys(given.model.inputs);
      const images = joined(given.input, inputs);
      const classifier = new Classifier(modelFrom(given), runtime);
      const logits = await predictLogits(classifier, images);
      const forward = Float32Array.from(flatten(given.forward));
      if (given.target !== null) expectWithin(logits.data, forward, { atol: 1e-4, mode: 'max' });
      const { attributions, certificate } = await attribute(classifier, { images, method, target: given.target ?? 0 });
      if (given.method.endsWith('convergenceDelta')) {
        expect(Math.max(...certificate!.completeness!.map(({ error }) => error))).toBeLessThan(
          given.expected.delta_abs_max as number,
        );
        return;
      }
      const found = given.params.abs ? attributions.data.map(Math.abs) : attributions.data;
      expectWithin(found, joined(given.expected, inputs).data, given.tolerance);
    });
  }

  it('has cases that we can check', () => {
    expect(
      cases.filter((given) => METHODS.test(given.method) && typeof methodOf(given) !== 'string').length,
    ).toBeGreaterThan(10);
  });
});
