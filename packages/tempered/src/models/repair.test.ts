import { gradient } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { feed, floats } from './batching.ts';
import { Classifier, type ModelDescription } from './classifier.ts';
import { inspectGraph } from './inspect-graph.ts';
import { predictLogits } from './predict.ts';
import { repaired } from './repair.ts';
import { noisyInput, roundedActivations, softmaxOutput, wavyInput } from './testing/masked-models.ts';
import { affineModel, modelOf, networkModel, noiseImages } from './testing/small-models.ts';

const SHAPE = [1, 4, 4];
const plain = networkModel({ inputShape: SHAPE, classes: 5, activation: 'Relu', bias: true });
const images = noiseImages(6, SHAPE);

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

/** Gradient of the sum of squared logits by the images. */
async function gradientOf(classifier: Classifier): Promise<Float32Array> {
  const program = await classifier.program('gradient', images.shape[0]!, ({ g, batch, model }) => {
    const x = g.input('x', 'float32', [batch, ...classifier.inputShape]);
    const [dx] = gradient(g, { of: g.square(model(x).logits), wrt: [x] });
    g.output(dx!, 'dx');
  });
  return floats((await program.run({ x: feed(images) })).fetched.dx!);
}

const classifierOf = (model: ModelDescription) => new Classifier(model, runtime);
const logitsOf = async (model: ModelDescription) => (await predictLogits(classifierOf(model), images)).data;
const length = (values: Float32Array) => Math.hypot(...values);
const relative = (a: Float32Array, b: Float32Array) => length(a.map((value, i) => value - b[i]!)) / length(b);

describe('straight-through gradients', () => {
  it('have the gradient of the plain network where activations are rounded finely, and leave the logits as they are', async () => {
    const model = roundedActivations(plain, 4096);
    expect(length(await gradientOf(classifierOf(model)))).toBe(0);
    const straightThrough = inspectGraph(model).cuts.map(({ detour }) => detour!);
    const surrogate = repaired(model, { straightThrough });
    expect(relative(await gradientOf(classifierOf(surrogate)), await gradientOf(classifierOf(plain)))).toBeLessThan(
      1e-3,
    );
    expect(relative(await logitsOf(surrogate), await logitsOf(model))).toBeLessThan(1e-5);
  });

  it('leave out a wave', async () => {
    const model = wavyInput(plain, 1e-5, 1e6);
    expect(relative(await gradientOf(classifierOf(model)), await gradientOf(classifierOf(plain)))).toBeGreaterThan(1);
    const surrogate = repaired(model, { straightThrough: [{ to: 'wave' }] });
    expect(relative(await gradientOf(classifierOf(surrogate)), await gradientOf(classifierOf(plain)))).toBeLessThan(
      1e-3,
    );
  });

  it('a value that the model does not have is refused', async () => {
    const surrogate = repaired(plain, { straightThrough: [{ to: 'nowhere' }] });
    await expect(logitsOf(surrogate)).rejects.toThrow(/'nowhere'/);
  });
});

it('reads the logits before a softmax', async () => {
  const model = softmaxOutput(plain);
  const surrogate = repaired(model, { logits: inspectGraph(model).tail.logits });
  expect(await logitsOf(surrogate)).toEqual(await logitsOf(plain));
});

describe('noise', () => {
  // An affine model: the mean over noise of deviation σ has the plain logits, with deviation σ‖w‖/√draws.
  const affine = affineModel([8], [Array.from({ length: 8 }, () => 1), Array.from({ length: 8 }, () => -1)]);
  const points = { shape: [4000, 8], data: new Float32Array(32_000) };
  const deviationOf = async (model: ModelDescription) => {
    const { data } = await predictLogits(classifierOf(model), points, { batchSize: 2000 });
    return length(data) / Math.sqrt(data.length);
  };
  const noisy = noisyInput(affine, 0.5);

  it.each<[string, ModelDescription, number]>([
    ['one draw of the model’s own', noisy, 0.5 * Math.sqrt(8)],
    ['the mean of 4', repaired(noisy, { average: { draws: 4, deviation: 0 } }), 0.25 * Math.sqrt(8)],
    ['noise on the input', repaired(affine, { average: { draws: 9, deviation: 0.3 } }), 0.1 * Math.sqrt(8)],
  ])('%s has the spread it should', async (_, model, expected) => {
    expect(Math.abs((await deviationOf(model)) / expected - 1)).toBeLessThan(0.05);
  });

  it('differs between runs, and repeats from a seed', async () => {
    const classifier = classifierOf(noisy);
    const x = { shape: [2, 8], data: new Float32Array(16) };
    const run = async () => (await predictLogits(classifier, x)).data;
    classifier.seedNoise(3);
    const [first, second] = [await run(), await run()];
    expect(second).not.toEqual(first);
    classifier.seedNoise(3);
    expect([await run(), await run()]).toEqual([first, second]);
    expect([classifier.isRandom, classifierOf(plain).isRandom]).toEqual([true, false]);
  });

  it('is drawn anew for each application of the model in a program', async () => {
    const classifier = classifierOf(noisy);
    const program = await classifier.program('twice', 1, ({ g, model }) => {
      const x = g.input('x', 'float32', [1, 8]);
      g.output(g.sub(model(x).logits, model(x).logits), 'difference');
    });
    const { fetched } = await program.run({ x: feed({ shape: [1, 8], data: new Float32Array(8) }) });
    expect(length(floats(fetched.difference!))).toBeGreaterThan(0.01);
  });

  it('averages need a draw', () => {
    expect(() => repaired(plain, { average: { draws: 0, deviation: 0 } })).toThrow(/draws/);
  });

  it('a model whose noise does not depend on the batch can be attacked too', async () => {
    const model = modelOf(SHAPE, 16, (g, x) => {
      const noise = g.op('RandomNormal', [], { shape: [1, 16], scale: 0.1 });
      return g.add(g.op('Flatten', [x], { axis: 1 }), noise);
    });
    expect(length(await gradientOf(classifierOf(model)))).toBeGreaterThan(1);
  });
});
