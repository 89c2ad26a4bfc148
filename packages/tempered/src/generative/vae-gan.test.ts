import { GraphBuilder, ModelError, parseModel, specialize, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Dataset, fromArrays } from '../data/dataset.ts';
import { TrainingError, UsageError } from '../errors.ts';
import { floats } from '../models/batching.ts';
import { noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { HostTensor, ResidentTensor, Runtime } from '../runtime/runtime.ts';
import { rows, sizeOf, type Tensor } from '../tensor.ts';
import { adam, sgd } from '../training/optimizer.ts';
import type { Layer, Layout } from './layouts.ts';
import { project, sample } from './project.ts';
import { initialState, isTrained, stateInitializers, uploadState } from './state.ts';
import { compilePartStep } from './step-program.ts';
import { trainVaeGan, type VaeGanCheckpoint, vaeGanSettings } from './train-vae-gan.ts';
import { createVaeGan, PARTS, type Part, readVaeGan, type VaeGan, writeLayout, writeVaeGan } from './vae-gan.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const mnist = createVaeGan({ imageShape: [1, 28, 28] });
const cifar = createVaeGan({ imageShape: [3, 32, 32] });
const conv = (from: number, to: number, kernel: number) => (from * kernel ** 2 + 1) * to;
const deconv = (from: number, to: number) => from * 16 * to + to;
const dense = (from: number, to: number) => (from + 1) * to;
/** Scales and offsets of batch normalisation. */
const norm = (...channels: number[]) => 2 * channels.reduce((a, b) => a + b);

describe.each<[string, VaeGan, Record<Part, number>]>([
  [
    'mnist',
    mnist,
    {
      encoder: conv(1, 64, 4) + conv(64, 128, 4) + conv(128, 256, 4) + dense(4096, 20) + norm(64, 128, 256, 20),
      decoder:
        dense(10, 1024) +
        deconv(256, 256) +
        deconv(256, 128) +
        deconv(128, 32) +
        deconv(32, 1) +
        norm(1024, 256, 128, 32),
      discriminator:
        conv(1, 32, 4) +
        conv(32, 128, 4) +
        conv(128, 256, 4) +
        conv(256, 256, 4) +
        dense(1024, 512) +
        dense(512, 1) +
        norm(128, 256, 256, 512),
    },
  ],
  [
    'cifar',
    cifar,
    {
      encoder: conv(3, 64, 5) + conv(64, 128, 5) + conv(128, 256, 5) + dense(4096, 256) + norm(64, 128, 256, 256),
      decoder:
        dense(128, 8192) + deconv(512, 256) + deconv(256, 128) + deconv(128, 64) + conv(64, 3, 3) + norm(256, 128, 64),
      discriminator:
        conv(3, 64, 3) +
        conv(64, 64, 4) +
        conv(64, 128, 3) +
        conv(128, 128, 4) +
        conv(128, 256, 3) +
        conv(256, 256, 4) +
        conv(256, 512, 3) +
        dense(8192, 1),
    },
  ],
])('networks of %s', (_, vaeGan, counts) => {
  it.each(PARTS)('%s has the layers of the source', (part) => {
    const { initializers } = vaeGan.graphs[part];
    const count = stateInitializers(vaeGan, part)
      .filter(isTrained)
      .reduce((sum, name) => sum + sizeOf(initializers.get(name)!.shape), 0);
    expect(count).toBe(counts[part]);
  });

  it('takes images to codes and back', () => {
    const { imageShape, codeSize, graphs } = vaeGan;
    const shapesOf = (part: Part, shapes: Record<string, readonly number[]>) =>
      Object.fromEntries(specialize(graphs[part], shapes).outputs.map(({ name, shape }) => [name, shape]));
    expect(shapesOf('encoder', { image: [3, ...imageShape] })).toEqual({
      mean: [3, codeSize],
      log_variance: [3, codeSize],
    });
    expect(shapesOf('decoder', { code: [3, codeSize] })).toEqual({ image: [3, ...imageShape] });
    expect(shapesOf('discriminator', { image: [3, ...imageShape] })).toEqual({ probability: [3, 1] });
  });
});

it('maps have the sizes of the source, with SAME padding and one VALID deconvolution', () => {
  const sizes = (vaeGan: VaeGan, part: Part, input: Record<string, readonly number[]>) => {
    const g = new GraphBuilder(specialize(vaeGan.graphs[part], input));
    return g.graph.nodes
      .filter(({ op, name }) => ['Conv', 'ConvTranspose'].includes(op) && /^layer\d+$/.test(name))
      .map(({ outputs }) => g.value(outputs[0]!).shape.at(-1));
  };
  expect(sizes(mnist, 'encoder', { image: [2, 1, 28, 28] })).toEqual([14, 7, 4]);
  expect(sizes(mnist, 'decoder', { code: [2, 10] })).toEqual([4, 7, 14, 28]);
  expect(sizes(mnist, 'discriminator', { image: [2, 1, 28, 28] })).toEqual([14, 7, 4, 2]);
  expect(sizes(cifar, 'encoder', { image: [2, 3, 32, 32] })).toEqual([16, 8, 4]);
  expect(sizes(cifar, 'decoder', { code: [2, 128] })).toEqual([8, 16, 32, 32]);
  expect(sizes(cifar, 'discriminator', { image: [2, 3, 32, 32] })).toEqual([32, 16, 16, 8, 8, 4, 4]);
});

function noiseDataset(vaeGan: VaeGan, count: number): Dataset {
  const [channels, height, width] = vaeGan.imageShape as [number, number, number];
  const { data: pixels } = noiseImages(count, vaeGan.imageShape);
  const labels = new Int32Array(count);
  return fromArrays({
    name: 'noise',
    split: 'train',
    classes: ['noise'],
    imageShape: [channels, height, width],
    pixels,
    labels,
  });
}

/** Every kind of layer, small enough for quick steps. */
const normed = { activation: 'relu', batchNorm: true } as const;
const convolution = { kind: 'conv', channels: 4, kernel: 4, stride: 2 } as const;
const LAYOUT: Layout = {
  imageShape: [2, 6, 6],
  codeSize: 3,
  encoder: [
    { ...convolution, ...normed },
    { kind: 'dense', units: 6, batchNorm: true },
  ],
  decoder: [
    { kind: 'dense', units: 12, ...normed },
    { kind: 'reshape', shape: [3, 2, 2] },
    { kind: 'deconv', channels: 4, kernel: 2, stride: 1, pad: 'valid', ...normed },
    { kind: 'deconv', channels: 2, kernel: 4, stride: 2, pad: 'same', activation: 'tanh' },
  ],
  discriminator: [
    { ...convolution, spectralNorm: true, activation: 'leaky-relu' },
    { ...convolution, ...normed },
    { kind: 'dense', units: 1, activation: 'sigmoid' },
  ],
};
const small = writeLayout(LAYOUT, 1);
const withoutNorm = writeLayout(
  { ...LAYOUT, discriminator: LAYOUT.discriminator.filter((layer) => !('batchNorm' in layer)) },
  1,
);

const BATCH = 4;

describe.each<[string, VaeGan]>([
  ['a VAE-GAN', small],
  ['a VAE-GAN whose discriminator has no batch normalisation', withoutNorm],
])('updates of %s', (_, vaeGan) => {
  it.each(PARTS)('of the %s change its own weights and statistics, and nothing else', async (part) => {
    const optimizer = adam({ beta1: 0, beta2: 0.9 });
    const before = initialState(vaeGan, optimizer);
    const state = await uploadState(runtime, before);
    const options = { vaeGan, batchSize: BATCH, optimizer, reconstructionWeight: 0.005, state };
    const step = await compilePartStep(runtime, part, options);
    const images: HostTensor = { dtype: 'float32', ...noiseImages(BATCH, vaeGan.imageShape) };
    const noise = (seed: number): HostTensor => ({ dtype: 'float32', ...noiseImages(BATCH, [vaeGan.codeSize], seed) });
    const losses = await step.run({ images, noise: noise(1), prior: noise(2) }, 1, 1e-3);
    expect(Object.values(losses).every(Number.isFinite)).toBe(true);
    const changed = new Set<string>();
    for (const [key, tensor] of Object.entries(state)) {
      const { data } = await tensor.read();
      if (data.some((value, i) => value !== before[key]!.data[i])) changed.add(key);
    }
    step.release();
    for (const tensor of Object.values(state)) tensor.release();
    const weights = [...changed].filter((key) => isTrained(key) || key.includes('running_'));
    expect(weights.length).toBeGreaterThan(3);
    expect(weights.every((key) => key.startsWith(`${part}/`))).toBe(true);
    // Spectral normalisation iterates wherever the discriminator is applied.
    const vectors = [...changed].filter((key) => key.endsWith('.u'));
    expect(vectors).toHaveLength(part === 'encoder' ? 0 : 1);
  });
});

type Weights = Record<string, HostTensor>;
const plainDescent = sgd({ momentum: 0 });

/** A part's update, to be run from given weights on the same images and noise. */
async function updateOf(vaeGan: VaeGan, part: Part) {
  const state: Record<string, ResidentTensor> = {};
  const options = { vaeGan, batchSize: BATCH, optimizer: plainDescent, reconstructionWeight: 0.5, state };
  Object.assign(state, await uploadState(runtime, initialState(vaeGan, plainDescent)));
  const step = await compilePartStep(runtime, part, options);
  const noise = (seed: number): HostTensor => ({ dtype: 'float32', ...noiseImages(BATCH, [vaeGan.codeSize], seed) });
  const images: HostTensor = { dtype: 'float32', ...noiseImages(BATCH, vaeGan.imageShape) };
  const feeds = { images, noise: noise(1), prior: noise(2) };
  return {
    feeds,
    async run(weights: Weights, learningRate = 0) {
      for (const tensor of Object.values(state)) tensor.release();
      Object.assign(state, await uploadState(runtime, weights));
      const losses = await step.run(feeds, 1, learningRate);
      const after: Weights = {};
      for (const [key, tensor] of Object.entries(state)) after[key] = await tensor.read();
      return { losses, after };
    },
    release() {
      for (const tensor of Object.values(state)) tensor.release();
      step.release();
    },
  };
}

it.each(PARTS)('the update of the %s goes along the gradient of its loss (central differences)', async (part) => {
  const update = await updateOf(small, part);
  let weights: Weights = initialState(small, plainDescent);
  for (let i = 0; i < 50; i++) {
    // The singular vectors first: at the largest singular value the loss does not depend on them.
    const { after } = await update.run(weights);
    weights = { ...weights, ...Object.fromEntries(Object.entries(after).filter(([key]) => key.endsWith('.u'))) };
  }
  const { after } = await update.run(weights, 1);
  const gradient = Object.keys(weights)
    .filter((key) => key.startsWith(`${part}/`) && isTrained(key))
    .map((key): [string, number[]] => {
      const before = floats(weights[key]!);
      return [key, Array.from(floats(after[key]!), (value, i) => before[i]! - value)];
    });
  const length = Math.hypot(...gradient.flatMap(([, values]) => values));
  expect(length).toBeGreaterThan(0.1);
  const lossAt = async (distance: number): Promise<number> => {
    const moved = gradient.map(([key, along]): [string, HostTensor] => {
      const { shape, data } = weights[key]!;
      const values = along.map((value, i) => Number(data[i]) + (distance * value) / length);
      return [key, { dtype: 'float32', shape, data: Float32Array.from(values) }];
    });
    return (await update.run({ ...weights, ...Object.fromEntries(moved) })).losses.loss!;
  };
  const h = 2e-4;
  const slope = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
  update.release();
  expect(slope / length).toBeCloseTo(1, 1);
});

it('losses are those of the source, from the three networks run one by one', async () => {
  // Without normalisation the networks do the same in training and in evaluation.
  const plain = (layers: readonly Layer[]): Layer[] =>
    layers.map((layer) => {
      const { batchNorm: _batchNorm, spectralNorm: _spectralNorm, ...rest }: Record<string, unknown> = { ...layer };
      return rest as Layer;
    });
  const { encoder, decoder, discriminator } = LAYOUT;
  const vaeGan = writeLayout(
    { ...LAYOUT, encoder: plain(encoder), decoder: plain(decoder), discriminator: plain(discriminator) },
    2,
  );
  const files = writeVaeGan(vaeGan);
  const run = async (part: Part, input: string, data: Float32Array, shape: readonly number[]) => {
    const graph = specialize(parseModel(files[part]), { [input]: [BATCH, ...shape] });
    const program = await runtime.compile(writeModel(graph));
    const { fetched } = await program.run({ [input]: { dtype: 'float32', shape: [BATCH, ...shape], data } });
    return Object.fromEntries(Object.entries(fetched).map(([name, tensor]) => [name, Array.from(tensor.data, Number)]));
  };
  const update = {
    encoder: await updateOf(vaeGan, 'encoder'),
    decoder: await updateOf(vaeGan, 'decoder'),
    discriminator: await updateOf(vaeGan, 'discriminator'),
  };
  const { images, noise, prior } = update.encoder.feeds;
  const pixels = Float32Array.from(images.data, Number);
  const { mean, log_variance: logVariance } = await run('encoder', 'image', pixels, vaeGan.imageShape);
  const code = Float32Array.from(mean!, (m, i) => m + Math.exp(logVariance![i]! / 2) * Number(noise.data[i]));
  const decode = async (z: Float32Array) => Float32Array.from((await run('decoder', 'code', z, [3])).image!);
  const judge = async (x: Float32Array) => (await run('discriminator', 'image', x, vaeGan.imageShape)).probability!;
  const reconstructed = await decode(code);
  const imagined = await decode(Float32Array.from(prior.data, Number));
  const [real, onReconstructed, onImagined] = [await judge(pixels), await judge(reconstructed), await judge(imagined)];
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const recon = sum(Array.from(pixels, (x, i) => Math.abs(2 * x - 1 - (2 * reconstructed[i]! - 1)))) / BATCH;
  const kl = sum(mean!.map((m, i) => -0.5 * (1 + logVariance![i]! - m * m - Math.exp(logVariance![i]!)))) / BATCH;
  const logs = (values: number[]) => sum(values.map((p) => Math.log(p + 1e-8))) / BATCH;
  const not = (values: number[]) => values.map((p) => 1 - p);
  const lossOf = async (part: Part) => {
    const { losses } = await update[part].run(initialState(vaeGan, plainDescent));
    update[part].release();
    return losses.loss!;
  };
  expect(await lossOf('encoder')).toBeCloseTo(recon + kl, 3);
  expect(await lossOf('decoder')).toBeCloseTo(0.5 * recon - logs(onReconstructed) - logs(onImagined), 3);
  const right = logs(real) + logs(not(onReconstructed)) + logs(not(onImagined));
  expect(await lossOf('discriminator')).toBeCloseTo(-right, 4);
});

/** A store in memory. */
function memory(saved?: VaeGanCheckpoint) {
  return {
    load: async () => saved,
    save: async (checkpoint: VaeGanCheckpoint) => {
      // The training goes on writing its history.
      saved = structuredClone(checkpoint);
    },
  };
}

const bytesOf = (vaeGan: VaeGan) => Buffer.concat(Object.values(writeVaeGan(vaeGan)));

it('a training that is stopped and resumed ends with the same weights', async () => {
  const dataset = noiseDataset(small, 2 * BATCH);
  const common = { runtime, vaeGan: small, dataset, batchSize: BATCH, seed: 3, shuffle: true };
  const settings = { ...vaeGanSettings.mnist, epochs: 2, discriminatorSteps: 2 };
  const checkpoints = memory();
  let afterFirst: VaeGanCheckpoint | undefined;
  const onEpoch = async ({ epoch }: { epoch: number }) => {
    if (epoch === 2) afterFirst = await checkpoints.load();
  };
  const whole = await trainVaeGan({ ...common, settings, checkpoints, onEpoch });
  expect(afterFirst!.history).toHaveLength(1);
  const resumed = await trainVaeGan({ ...common, settings, checkpoints: memory(afterFirst) });
  expect(Buffer.compare(bytesOf(resumed.vaeGan), bytesOf(whole.vaeGan))).toBe(0);
  expect(resumed.history.map(({ encoderLoss }) => encoderLoss)).toEqual(
    whole.history.map(({ encoderLoss }) => encoderLoss),
  );
  const stop = new AbortController();
  stop.abort(new DOMException('enough', 'AbortError'));
  await expect(trainVaeGan({ ...common, settings, signal: stop.signal })).rejects.toThrow('enough');
});

it('ends when a loss is no number any more, or the last update of an epoch breaks a weight', async () => {
  const dataset = noiseDataset(small, BATCH);
  const settings = { ...vaeGanSettings.mnist, epochs: 2 };
  const common = { runtime, vaeGan: small, dataset, batchSize: BATCH };
  const wild = trainVaeGan({ ...common, settings: { ...settings, learningRate: 1e38 } });
  await expect(wild).rejects.toThrow(TrainingError);
  await expect(wild).rejects.toThrow(
    /^The \w+'s loss is (NaN|-?Infinity) in epoch 1, batch 1: lower the learning rate.$/,
  );

  const checkpoints = memory();
  await trainVaeGan({ ...common, settings: { ...settings, epochs: 1 }, checkpoints });
  const stored = (await checkpoints.load())!;
  const name = Object.keys(stored.state).find((key) => /^discriminator\/.*\.weight\./.test(key))!;
  stored.state[name]!.data.fill(Number.NaN as never);
  const broken = trainVaeGan({ ...common, settings, checkpoints: memory(stored) });
  await expect(broken).rejects.toThrow(TrainingError);
  await expect(broken).rejects.toThrow(/^After epoch 2, 'discriminator\/.*' holds numbers that are not finite/);
});

it('projections and samples do not depend on the batch size, and keep to [0, 1]', async () => {
  const images: Tensor = noiseImages(5, small.imageShape);
  const near = (a: Tensor, b: Tensor) => a.data.every((value, i) => Math.abs(value - b.data[i]!) < 1e-5);
  const all = await project(runtime, small, images, { seed: 4 });
  expect(near(await project(runtime, small, images, { seed: 4, batchSize: 2 }), all)).toBe(true);
  const last = await project(runtime, small, rows(images, 3, 5), { seed: 4, imageNumbers: [3, 4] });
  expect(near(last, rows(all, 3, 5))).toBe(true);
  expect(near(await project(runtime, small, images, { seed: 5 }), all)).toBe(false);
  expect(near(await project(runtime, small, images, { code: 'mean' }), all)).toBe(false);
  const samples = await sample(runtime, small, 5, { seed: 1 });
  expect(near(await sample(runtime, small, 3, { seed: 1, batchSize: 2 }), rows(samples, 0, 3))).toBe(true);
  for (const { data } of [all, samples]) expect(data.every((value) => value >= 0 && value <= 1)).toBe(true);
});

it('files hold the same networks', async () => {
  const files = writeVaeGan(small);
  const read = readVaeGan(files);
  expect(read).toMatchObject({ imageShape: [2, 6, 6], codeSize: 3 });
  expect(Buffer.compare(bytesOf(read), bytesOf(small))).toBe(0);
  expect(() => readVaeGan({ ...files, encoder: files.decoder })).toThrow('is not the encoder');
  expect(() => readVaeGan({ ...files, encoder: writeVaeGan(mnist).encoder })).toThrow('different images or codes');
  expect(() => readVaeGan({ ...files, encoder: new Uint8Array(8).fill(255) })).toThrow(ModelError);
});

it('refuses what does not fit', async () => {
  expect(() => createVaeGan({ imageShape: [3, 28, 28] })).toThrow(UsageError);
  const dataset = noiseDataset(small, 8);
  const options = { runtime, vaeGan: small, dataset, batchSize: 4, settings: vaeGanSettings.mnist };
  await expect(trainVaeGan({ ...options, vaeGan: mnist })).rejects.toThrow('takes images of 1x28x28');
  await expect(trainVaeGan({ ...options, batchSize: 9 })).rejects.toThrow('fewer than one batch');
  const settings = { ...vaeGanSettings.mnist, epochs: 0 };
  await expect(trainVaeGan({ ...options, settings })).rejects.toThrow('epochs must be');
  await expect(project(runtime, small, noiseImages(2, [3, 32, 32]))).rejects.toThrow('do not fit');
  await expect(sample(runtime, small, 0)).rejects.toThrow('1 or more');
});
