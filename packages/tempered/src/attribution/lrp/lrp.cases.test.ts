/** Relevance that zennit, captum and DeepExplain compute, and their tests state. */
import { GraphBuilder, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../../models/classifier.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { attribute } from '../attribute.ts';
import { type Case, cases, expectWithin, FILE, flatten, joined, modelFrom, present } from '../testing/cases.ts';
import { epsilonAlpha2Beta1Flat, epsilonPlusFlat, uniformRules } from './composites.ts';
import { type Lrp, lrp } from './lrp.ts';
import {
  alphaBetaRule,
  boxRule,
  epsilonRule,
  flatRule,
  gammaRule,
  type LrpRule,
  passRule,
  wSquareRule,
  zeroRule,
  zPlusRule,
} from './rules.ts';
import { stabilise } from './stabilise.ts';

interface NamedRule {
  rule?: string;
  epsilon?: number;
  gamma?: number;
  low?: number;
  high?: number;
  alpha?: number;
  beta?: number;
}

interface Params extends NamedRule {
  rules?: Record<string, NamedRule>;
  composite?: string;
  clip?: boolean;
  norm_scale?: boolean;
}

const LRP = /^(LRP|LayerLRP)/;

function ruleFrom({ rule, epsilon, gamma, low, high, alpha, beta }: NamedRule): LrpRule {
  // Captum leaves the bias as it is, and the signs of inputs alone.
  const captum = { generalised: false, bias: 'kept', stabiliser: { epsilon: 1e-9 } } as const;
  const made: Record<string, () => LrpRule> = {
    epsilon: () => epsilonRule({ epsilon: epsilon ?? 1e-9 }),
    gamma: () => gammaRule({ gamma: gamma!, ...captum }),
    alpha1beta0: () => zPlusRule(captum),
    identity: passRule,
    flat: () => flatRule(),
    zbox: () => boxRule({ low: low!, high: high! }),
    alphabeta: () => alphaBetaRule({ alpha: alpha!, beta: beta! }),
    wsquare: () => wSquareRule(),
  };
  return made[rule!]!();
}

function methodOf({ params, method }: Case): Lrp {
  const { composite, rules, ...own } = params as Params;
  if (composite === 'epsilon_plus_flat') return lrp({ composite: epsilonPlusFlat(), initial: 'one' });
  if (composite === 'epsilon_alpha2_beta1_flat') return lrp({ composite: epsilonAlpha2Beta1Flat(), initial: 'one' });
  const layers = Object.entries(rules ?? {}).map(([name, rule]) => [name, ruleFrom(rule)] as const);
  const rule = rules ? epsilonRule({ epsilon: 1e-9 }) : ruleFrom(own);
  // The outputs of a single layer are added up to one logit, which shares its relevance without a stabiliser.
  const other = method === 'LRP.singleLayer' ? zeroRule() : rule;
  return lrp({ composite: uniformRules(rule, { other }), layers: Object.fromEntries(layers) });
}

describe.skipIf(!present)(`published relevance (skipped where ${FILE} is absent)`, () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createNodeRuntime({ threads: 1 });
  });
  afterAll(() => runtime.close());

  const published = cases.filter(({ method }) => LRP.test(method));

  it.each(published.filter(({ method }) => method !== 'LRP.stabilize'))('$id', async (given) => {
    const inputs = Object.keys(given.model.inputs);
    const classifier = new Classifier(modelFrom(given), runtime);
    const { attributions, output } = await attribute(classifier, {
      images: joined(given.input, inputs),
      method: methodOf(given),
      target: given.target ?? 0,
      ...(given.params.layer !== undefined && { layer: given.params.layer }),
    });
    if (given.target !== null) {
      const logits = flatten(given.forward);
      expect(output[0]).toBeCloseTo(logits[given.target as number]!, 4);
    }
    const expected = given.params.layer
      ? Float32Array.from(flatten(given.expected.layer!))
      : joined(given.expected, inputs).data;
    expectWithin(attributions.data, expected, given.tolerance);
  });

  it.each(published.filter(({ method }) => method === 'LRP.stabilize'))('$id', async (given) => {
    const { epsilon, clip, norm_scale } = given.params as Params;
    const values = Float32Array.from(flatten(given.input.v!));
    const g = new GraphBuilder();
    const v = g.input('v', 'float32', [1, values.length]);
    g.output(stabilise(g, v, { epsilon: epsilon!, clip: clip!, normScale: norm_scale! }), 'stabilised');
    const program = await runtime.compile(writeModel(g.graph));
    const { fetched } = await program.run({ v: { dtype: 'float32', shape: [1, values.length], data: values } });
    await program.release();
    expectWithin(
      fetched.stabilised!.data as Float32Array,
      Float32Array.from(flatten(given.expected.v!)),
      given.tolerance,
    );
  });

  it('has all sixteen of them', () => {
    expect(published).toHaveLength(16);
  });
});
