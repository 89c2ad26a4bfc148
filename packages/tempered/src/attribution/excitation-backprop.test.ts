/** Excitation backprop against the walk computed by hand. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { modelOf } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { attribute } from './attribute.ts';
import { excitationBackprop } from './excitation-backprop.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const hidden = [
  [1, -2, 0.5],
  [2, 1, 3],
];
const top = [
  [1, -1],
  [2, 0.5],
  [-0.5, 2],
];
const images = { shape: [1, 2], data: Float32Array.of(1, 2) };

/** Two layers with biases, which must take no part beyond the activations. */
const model = modelOf([2], 2, (g, x) => {
  const parameter = (name: string, rows: number[][]) =>
    g.parameter(name, {
      dtype: 'float32',
      shape: [rows.length, rows[0]!.length],
      data: Float32Array.from(rows.flat()),
    });
  const bias = g.parameter('bias', { dtype: 'float32', shape: [3], data: Float32Array.of(0.5, 0.5, -1) });
  const active = g.rename(g.relu(g.op('Gemm', [x, parameter('hidden', hidden), bias])), 'active');
  return g.rename(g.op('Gemm', [active, parameter('top', top)]), 'logits');
});

/** P(input) = Σ over outputs of P(output) · input · w⁺ / Σ input · w⁺. Zhang et al. 2016, eq. 3. */
function walk(
  inputs: readonly number[],
  weights: readonly (readonly number[])[],
  outputs: readonly number[],
): number[] {
  const result = inputs.map(() => 0);
  outputs.forEach((probability, j) => {
    const excitation = inputs.map((value, i) => value * Math.max(0, weights[i]![j]!));
    const total = excitation.reduce((a, b) => a + b, 0);
    if (total > 0)
      excitation.forEach((share, i) => {
        result[i]! += (probability * share) / total;
      });
  });
  return result;
}

const pixels = Array.from(images.data);
const active = [0, 1, 2].map((j) =>
  Math.max(0, pixels[0]! * hidden[0]![j]! + pixels[1]! * hidden[1]![j]! + [0.5, 0.5, -1][j]!),
);

function expectClose(found: Float32Array, expected: readonly number[]): void {
  expect(Array.from(found)).toEqual(expected.map((value) => expect.closeTo(value, 5)));
}

it.each([0, 1])('is the marginal probability of a walk from class %i', async (target) => {
  const classifier = new Classifier(model, runtime);
  const start = [0, 1].map((k) => (k === target ? 1 : 0));
  const middle = walk(active, top, start);
  const at = await attribute(classifier, { images, method: excitationBackprop(), target, layer: 'active' });
  expectClose(at.attributions.data, middle);
  const { attributions, certificate } = await attribute(classifier, { images, method: excitationBackprop(), target });
  const expected = walk(pixels, hidden, middle);
  expectClose(attributions.data, expected);
  expect(certificate!.completeness![0]!.error).toBeLessThan(1e-5);
});

it.each([0, 1])('contrastive: less the walk from the dual of class %i', async (target) => {
  const start = [0, 1].map((k) => (k === target ? 1 : 0));
  const dual = top.map((row) => row.map((weight) => -weight));
  const against = walk(active, dual, start);
  const middle = walk(active, top, start).map((value, i) => value - against[i]!);
  const { attributions, certificate } = await attribute(new Classifier(model, runtime), {
    images,
    method: excitationBackprop({ contrastive: true }),
    target,
  });
  const expected = walk(pixels, hidden, middle);
  expectClose(attributions.data, expected);
  expect(certificate).toBeUndefined();
});
