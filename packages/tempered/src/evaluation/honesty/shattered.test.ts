import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier, type ModelDescription } from '../../models/classifier.ts';
import { inspectGraph } from '../../models/inspect-graph.ts';
import { wavyInput } from '../../models/testing/masked-models.ts';
import { modelOf } from '../../models/testing/small-models.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { measureShattering } from './gradients.ts';
import { findMasks } from './masks.ts';
import { measureSaturation } from './saturation.ts';
import { chooseDetour } from './shattered.ts';
import { blobs, fittedModel } from './testing/fitted-model.ts';

const sample = blobs(20).batch(Array.from({ length: 20 }, (_, i) => i));
const plain = fittedModel();

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());
const classifierOf = (model: ModelDescription) => new Classifier(model, runtime);

describe('what the gradient promises', () => {
  it('is kept by an affine model at any step, and missed by a wave as its closed form says', async () => {
    // f = x₀ − x₁ with a wave of slope aω·cos ωx on top: over a step h, it gains a·(sin ω(x + h) − sin ωx).
    const affine = modelOf([2], 2, (g, x) => g.op('Gemm', [x, g.constant([1, 0, 0, 1], [2, 2])]));
    const images = { shape: [1, 2], data: Float32Array.of(0.5, 0.5) };
    const at = { images, labels: [0] };
    const [small, large] = await measureShattering(classifierOf(affine), at, [0.01, 0.1]);
    for (const { alongGradient, alongRandom } of [small!, large!])
      expect(alongGradient + alongRandom).toBeLessThan(1e-3);

    const [a, w, h] = [0.02, 100, 0.01];
    const [waving] = await measureShattering(classifierOf(wavyInput(affine, a, w)), at, [h]);
    const slope = 1 + a * w * Math.cos(w * 0.5);
    const sign = Math.sign(slope);
    const rise = [1, -1].reduce((sum, side) => {
      const to = 0.5 + side * sign * h;
      return sum + side * (to + a * Math.sin(w * to) - 0.5 - a * Math.sin(w * 0.5));
    }, 0);
    const promised = 2 * h * Math.abs(slope);
    const expected = Math.abs(rise - promised) / Math.max(Math.abs(rise), promised);
    expect(waving!.alongGradient).toBeCloseTo(expected, 3);
  });
});

describe('another gradient is taken', () => {
  it('without the wave where the graph shows one, and smoothed where it does not', async () => {
    const model = wavyInput(plain, 0.01, 1000);
    const found = inspectGraph(model);
    const named = await chooseDetour(classifierOf(model), sample, found);
    expect(named!.node).toBe("Sin node 'wave'");
    const blind = await chooseDetour(classifierOf(model), sample, { ...found, oscillations: [] });
    expect(blind!.node).toBeUndefined();
    expect(blind!.model.average!.deviation).toBeGreaterThan(0);
    expect(blind!.rise).toBeGreaterThan(0.3 * named!.rise);
  });

  it('of a plain network, only if it leads further', async () => {
    expect(await chooseDetour(classifierOf(plain), sample, inspectGraph(plain))).toBeUndefined();
  });

  it('through a Clip that saturates, which is named', async () => {
    const steep = modelOf([1, 12, 12], 2, (g, x) => {
      const total = g.reduceMean(g.op('Flatten', [x], { axis: 1 }), [1], true);
      const gate = g.op('Clip', [g.scale(g.offset(total, -0.36), 1e6), g.constant(0), g.constant(1)]);
      return g.concat([g.offset(gate, -0.5), g.neg(g.offset(gate, -0.5))], 1);
    });
    const labels = sample.labels.map(() => 0);
    const { masks, inspection } = await findMasks(classifierOf(steep), { ...sample, labels });
    const [clip] = await measureSaturation(classifierOf(steep), { ...sample, labels }, inspection.clips);
    expect(clip!.share).toBeGreaterThan(0.95);
    expect(masks.map(({ kind }) => kind)).toContain('vanishing gradients');
    expect(masks.find(({ kind }) => kind === 'vanishing gradients')!.what).toMatch(/^Clip node/);
  });
});
