/** Attributions that other libraries state or compute, where their definition is one of ours. */
import { existsSync, readFileSync } from 'node:fs';
import type { GraphBuilder, Value } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier, type ModelDescription } from '../models/classifier.ts';
import { predictLogits } from '../models/predict.ts';
import { modelOf } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows, sizeOf, type Tensor } from '../tensor.ts';
import { type AttributionMethod, attribute } from './attribute.ts';
import { gradientTimesInput, plainGradient } from './gradient.ts';
import { integratedGradients } from './integrated-gradients.ts';
import { smoothGrad } from './smoothgrad.ts';

type Nested = number | readonly Nested[];

interface Layer {
  name: string;
  op: string;
  in: (string | { const: number })[];
  W?: Nested;
  b?: number[];
  attrs?: Record<string, number | number[]>;
}

interface Case {
  id: string;
  method: string;
  model: { inputs: Record<string, (string | number)[]>; layers: Layer[]; output: string };
  input: Record<string, Nested>;
  baseline: Record<string, Nested> | null;
  target: number | number[] | null;
  params: {
    method?: string;
    n_steps?: number;
    multiply_by_inputs?: boolean;
    abs?: boolean;
    nt_type?: string;
    stdevs?: number;
  };
  expected: Record<string, Nested>;
  tolerance: { atol: number; mode: 'max' | 'sum' };
  forward: Nested;
}

const FILE = '../shared/fixtures/attribution-cases.json';
const present = existsSync(FILE);
const cases: Case[] = present ? JSON.parse(readFileSync(FILE, 'utf8')).cases : [];

/** The published numbers are in double precision, our arithmetic is in single. */
const SINGLE_PRECISION = 2e-6;

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

const flatten = (nested: Nested): number[] => (typeof nested === 'number' ? [nested] : nested.flatMap(flatten));
const shapeOf = (nested: Nested): number[] =>
  typeof nested === 'number' ? [] : [nested.length, ...shapeOf(nested[0]!)];

/** All inputs of an example side by side, [N, all]. */
function joined(values: Record<string, Nested>, inputs: readonly string[]): Tensor {
  const count = shapeOf(values[inputs[0]!]!)[0]!;
  const parts = inputs.map((name) => flatten(values[name]!));
  const data = Array.from({ length: count }, (_, n) =>
    parts.flatMap((part) => part.slice((n * part.length) / count, ((n + 1) * part.length) / count)),
  ).flat();
  return { shape: [count, data.length / count], data: Float32Array.from(data) };
}

/** The case's network on the joined inputs; with no target, its one logit is the sum of the outputs. */
function modelFrom({ model, target, forward }: Case): ModelDescription {
  const inputs = Object.entries(model.inputs);
  const size = (shape: readonly (string | number)[]) => sizeOf(shape.slice(1).map(Number));
  const total = inputs.reduce((sum, [, shape]) => sum + size(shape), 0);
  const outputs = flatten(forward).length / shapeOf(forward)[0]!;
  return modelOf([total], target === null ? 1 : outputs, (g, x) => {
    const values = new Map<string, Value>();
    let start = 0;
    for (const [name, shape] of inputs) {
      const part = g.slice(x, { starts: [start], ends: [start + size(shape)], axes: [1] });
      values.set(name, g.op('Reshape', [part, g.integers([-1, ...shape.slice(1).map(Number)])]));
      start += size(shape);
    }
    for (const layer of model.layers) values.set(layer.name, write(g, layer, values));
    const output = g.op('Reshape', [values.get(model.output)!, g.integers([-1, outputs])]);
    return g.rename(target === null ? g.reduceSum(output, [1], true) : output, 'logits');
  });
}

function write(g: GraphBuilder, { name, op, in: from, W, b, attrs }: Layer, values: ReadonlyMap<string, Value>): Value {
  const inputs = from.map((input) => (typeof input === 'string' ? values.get(input)! : g.constant(input.const)));
  if (op === 'Gather') return g.gather(inputs[0]!, g.integers([attrs!.index as number], []), attrs!.axis as number);
  if (W !== undefined)
    inputs.push(
      g.parameter(`${name}.weight`, { dtype: 'float32', shape: shapeOf(W), data: Float32Array.from(flatten(W)) }),
    );
  if (b !== undefined)
    inputs.push(g.parameter(`${name}.bias`, { dtype: 'float32', shape: [b.length], data: Float32Array.from(b) }));
  return g.op(op, inputs, op === 'Gemm' ? { transB: 1 } : { ...attrs });
}

function expectWithin(found: Float32Array, expected: Float32Array, { atol, mode }: Case['tolerance']): void {
  const errors = Array.from(expected, (value, i) => Math.abs(value - found[i]!));
  const scale = Math.max(1, ...expected.map(Math.abs));
  const allowed = Math.max(atol, SINGLE_PRECISION * scale * (mode === 'sum' ? errors.length : 1));
  expect(mode === 'max' ? Math.max(...errors) : errors.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(allowed);
}

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
