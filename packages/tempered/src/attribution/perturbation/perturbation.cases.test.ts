/** Occlusion, feature ablation and Shapley values that captum states. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier, type ModelDescription } from '../../models/classifier.ts';
import { modelOf } from '../../models/testing/small-models.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { rows, sizeOf, type Tensor } from '../../tensor.ts';
import { type AttributionMethod, attribute } from '../attribute.ts';
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
import { exactShapley } from './exact-shapley.ts';
import { featureAblation } from './feature-ablation.ts';
import { kernelShap } from './kernel-shap.ts';
import { occlusion } from './occlusion.ts';
import { shapleySampling } from './shapley-sampling.ts';

interface PerturbationCase extends Case {
  params: Case['params'] & {
    window?: Record<string, number[]>;
    stride?: Record<string, number[]>;
    feature_mask?: Record<string, Nested>;
    layer_mask?: Nested;
  };
}

const METHODS = ['Occlusion', 'FeatureAblation', 'ShapleyValues'];
const ours: PerturbationCase[] = cases.filter(({ method }) => METHODS.includes(method));

/** captum's inputs are several; ours is all of them side by side, and its features are given by a mask. */
function maskOf({ params, model }: PerturbationCase): { shape: number[]; data: Float32Array } {
  const { shape, data } = joined(params.feature_mask!, Object.keys(model.inputs));
  return { shape: [...shape], data };
}

/** The case's network as a function of one input, with the others as they are in an example. */
function modelOfInput(given: PerturbationCase, name: string, example: number): ModelDescription {
  const inputs = Object.keys(given.model.inputs);
  const whole = modelFrom(given);
  const shape = given.model.inputs[name]!.slice(1).map(Number);
  return modelOf(shape, whole.classes.length, (g, x) => {
    const flat = g.op('Flatten', [x], { axis: 1 });
    const nothing = g.scale(g.reduceSum(flat, [1], true), 0);
    const parts = inputs.map((input) => {
      if (input === name) return flat;
      const own = rows(joined({ [input]: given.input[input]! }, [input]), example, example + 1);
      return g.add(nothing, g.constant([...own.data], own.shape));
    });
    return g.append(whole.graph, { [whole.input]: g.concat(parts, 1) }).get(whole.logits)!;
  });
}

describe.skipIf(!present)(`published perturbations (skipped where ${FILE} is absent)`, () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createNodeRuntime({ threads: 1 });
  });
  afterAll(() => runtime.close());

  it('there are three cases of occlusion, two of ablation and three of Shapley values', () => {
    expect(METHODS.map((name) => ours.filter(({ method }) => method === name).length)).toEqual([3, 2, 3]);
  });

  it.each(ours.filter(({ method }) => method === 'Occlusion').map((given) => [given.id, given] as const))(
    '%s',
    async (_, given) => {
      for (const [name, expected] of Object.entries(given.expected)) {
        const all = joined({ [name]: given.input[name]! }, [name]);
        const baselines = given.baseline && joined({ [name]: given.baseline[name]! }, [name]);
        const shape = given.model.inputs[name]!.slice(1).map(Number);
        const window = given.params.window![name]!;
        for (let example = 0; example < all.shape[0]!; example++) {
          const reshaped = (tensor: Tensor): Tensor => ({
            shape: [1, ...shape],
            data: rows(tensor, example, example + 1).data,
          });
          const { attributions } = await attribute(new Classifier(modelOfInput(given, name, example), runtime), {
            images: reshaped(all),
            target: given.target as number,
            method: occlusion({
              window,
              stride: given.params.stride?.[name] ?? window.map(() => 1),
              baseline: baselines ? reshaped(baselines) : 'black',
            }),
          });
          const size = sizeOf(shape);
          expectWithin(
            attributions.data,
            Float32Array.from(flatten(expected).slice(example * size, (example + 1) * size)),
            given.tolerance,
          );
        }
      }
    },
  );

  it.each(cases.filter(({ method }) => method === 'LayerFeatureAblation').map((given) => [given.id, given] as const))(
    '%s',
    async (_, given: PerturbationCase) => {
      const mask = given.params.layer_mask!;
      const { attributions } = await attribute(new Classifier(modelFrom(given), runtime), {
        images: joined(given.input, Object.keys(given.model.inputs)),
        target: given.target as number,
        layer: given.params.layer!,
        method: featureAblation({ features: { shape: shapeOf(mask), data: flatten(mask) } }),
      });
      expect(attributions.shape).toEqual(shapeOf(given.expected.layer!));
      expectWithin(attributions.data, Float32Array.from(flatten(given.expected.layer!)), given.tolerance);
    },
  );

  const byFeatures = ours.flatMap((given) => {
    const mask = () => maskOf(given);
    const baseline = () => (given.baseline ? joined(given.baseline, Object.keys(given.model.inputs)) : 'black');
    const methods: Record<string, () => AttributionMethod> =
      given.method === 'FeatureAblation'
        ? { 'feature ablation': () => featureAblation({ features: mask(), baseline: baseline() }) }
        : given.method === 'ShapleyValues'
          ? {
              'exact Shapley values': () => exactShapley({ features: mask(), baseline: baseline() }),
              'Kernel SHAP': () => kernelShap({ features: mask(), baseline: baseline() }),
              'sampled orders': () => shapleySampling({ permutations: 400, features: mask(), baseline: baseline() }),
            }
          : {};
    return Object.entries(methods).map(([name, method]) => [given.id, name, given, method] as const);
  });

  it.each(byFeatures)('%s: %s', async (_, name, given, method) => {
    const inputs = Object.keys(given.model.inputs);
    const { attributions } = await attribute(new Classifier(modelFrom(given), runtime), {
      images: joined(given.input, inputs),
      target: given.target as number,
      method: method(),
    });
    const expected = joined(given.expected, inputs).data;
    const largest = Math.max(...expected.map(Math.abs));
    // 400 orders are an estimate.
    const tolerance = name === 'sampled orders' ? { ...given.tolerance, atol: 0.01 * largest } : given.tolerance;
    expect(shapeOf(given.expected[inputs[0]!]!)[0]).toBe(attributions.shape[0]);
    expectWithin(attributions.data, expected, tolerance);
  });
});
