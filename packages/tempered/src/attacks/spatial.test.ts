import { emptyGraph, GraphBuilder, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import { networkModel, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { perturb } from './attack.ts';
import { spatial, totalVariation } from './spatial.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

it('the total variation is the sum over pixels and neighbours of Xiao et al., equation 4', async () => {
  const [H, W] = [3, 4];
  const flow = noiseImages(1, [2, H, W]).data;
  const g = new GraphBuilder(emptyGraph('variation'));
  g.output(totalVariation(g, g.input('flow', 'float32', [1, 2, H, W])), 'variation');
  const program = await runtime.compile(writeModel(g.graph));
  const { fetched } = await program.run({ flow: { dtype: 'float32', shape: [1, 2, H, W], data: flow } });
  let expected = 0;
  for (let i = 0; i < H; i++)
    for (let j = 0; j < W; j++)
      for (const [di, dj] of [
        [-1, 0],
        [1, 0],
        [0, -1],
        [0, 1],
      ] as const) {
        if (i + di < 0 || i + di >= H || j + dj < 0 || j + dj >= W) continue;
        const [here, there] = [i * W + j, (i + di) * W + j + dj];
        expected += Math.hypot(flow[here]! - flow[there]!, flow[H * W + here]! - flow[H * W + there]!);
      }
  expect(fetched.variation!.data[0]).toBeCloseTo(expected, 4);
});

it('moves no pixel by more than ε: a slope rises by no more than ε pixels of it', async () => {
  const [H, W] = [12, 12];
  const classifier = new Classifier(
    networkModel({ inputShape: [1, H, W], classes: 4, activation: 'Tanh', bias: true }),
    runtime,
  );
  // Brightness rises by 0.05 a column: a displaced pixel shows how far it came from.
  const data = Float32Array.from({ length: 2 * H * W }, (_, i) => 0.05 * (i % W));
  const images = { shape: [2, 1, H, W], data };
  const labels = await predict(classifier, images);
  const shifts = async (epsilon: number) => {
    const { adversarial } = await perturb(classifier, spatial({ steps: 30, loss: 'margin' }), {
      images,
      labels,
      epsilon,
    });
    return Math.max(...adversarial.data.map((value, i) => Math.abs(value - data[i]!))) / 0.05;
  };
  for (const epsilon of [0.3, 1.5]) {
    const largest = await shifts(epsilon);
    expect(largest).toBeLessThanOrEqual(epsilon + 1e-4);
    expect(largest).toBeGreaterThan(epsilon / 10);
  }
});
