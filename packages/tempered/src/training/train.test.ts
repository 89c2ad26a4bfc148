import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pgd } from '../attacks/pgd.ts';
import { type Dataset, fromArrays } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import { naturalAccuracy } from '../evaluation/accuracy.ts';
import { Classifier, type ModelDescription } from '../models/classifier.ts';
import { affineModel, modelOf, networkModel } from '../models/testing/small-models.ts';
import { createRandom } from '../random.ts';
import { checkpointFile } from '../runs/checkpoint-file.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { trackTensors } from '../runtime/testing/track-tensors.ts';
import type { Checkpoint, CheckpointStore, EpochRecord } from './checkpoint.ts';
import { clipByNorm, clipByValue } from './clipping.ts';
import type { Finding } from './detection.ts';
import { adversarial, fgsmRandomStart, free, type TrainingMethod } from './method.ts';
import { adam, type Optimizer, sgd } from './optimizer.ts';
import type { TrainOptions } from './options.ts';
import { constant, cosine, multiStep } from './schedule.ts';
import { train } from './train.ts';
import { weightAveraging } from './weight-averaging.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

/** Seeded noise around one corner of the pixel cube for each class: `spread` 0.5 and more mixes the classes. */
function dataset({ count = 40, classes = 3, spread = 0.4, seed = 1 } = {}): Dataset {
  const random = createRandom(seed, 'data');
  const labels = Int32Array.from({ length: count }, () => random.integer(classes));
  const pixels = new Float32Array(count * 4);
  labels.forEach((label, i) => {
    for (let p = 0; p < 4; p++) pixels[i * 4 + p] = (p === label ? 1 - spread : 0) + spread * random.uniform();
  });
  const names = Array.from({ length: classes }, (_, k) => `class ${k}`);
  return fromArrays({ name: 'corners', split: 'train', classes: names, imageShape: [1, 2, 2], pixels, labels });
}

const START = [
  [0.3, -0.2, 0.1, 0.5],
  [-0.4, 0.6, 0.2, -0.1],
  [0.1, 0.1, -0.3, 0.2],
];
const softmaxRegression = () => affineModel([1, 2, 2], START, [0.1, -0.1, 0]);

const options = (over: Partial<TrainOptions> = {}): TrainOptions => ({
  runtime,
  model: softmaxRegression(),
  dataset: dataset(),
  epochs: 3,
  batchSize: 10,
  ...over,
});

const weightsOf = (model: ModelDescription) =>
  Object.fromEntries([...model.graph.initializers].map(([name, { data }]) => [name, data]));

describe('an update', () => {
  /** The same training in double precision: full batches, so that the order of the images does not matter. */
  function reference(
    optimizer: Optimizer,
    rates: readonly number[],
    data: Dataset,
  ): { weight: number[]; bias: number[] } {
    const { images, labels } = data.batch(Uint32Array.from({ length: data.count }, (_, i) => i));
    const parameters = [...START.flat(), 0.1, -0.1, 0].map(Math.fround);
    const [first, second] = [parameters.map(() => 0), parameters.map(() => 0)];
    rates.forEach((rate, index) => {
      const gradient = parameters.map(() => 0);
      labels.forEach((label, n) => {
        const x = images.data.subarray(n * 4, n * 4 + 4);
        const logits = [0, 1, 2].map((k) =>
          x.reduce((sum, value, p) => sum + value * parameters[k * 4 + p]!, parameters[12 + k]!),
        );
        const total = logits.reduce((sum, z) => sum + Math.exp(z), 0);
        logits.forEach((z, k) => {
          const error = (Math.exp(z) / total - Number(k === label)) / data.count;
          x.forEach((value, p) => {
            gradient[k * 4 + p]! += error * value;
          });
          gradient[12 + k]! += error;
        });
      });
      parameters.forEach((value, i) => {
        const g = gradient[i]! + optimizer.weightDecay * value;
        if (optimizer.name === 'sgd') {
          first[i] = optimizer.momentum * first[i]! + g;
          parameters[i] = value - rate * first[i]!;
        } else {
          const { beta1, beta2, epsilon } = optimizer;
          first[i] = beta1 * first[i]! + (1 - beta1) * g;
          second[i] = beta2 * second[i]! + (1 - beta2) * g * g;
          const corrected = first[i]! / (1 - beta1 ** (index + 1));
          parameters[i] = value - (rate * corrected) / (Math.sqrt(second[i]! / (1 - beta2 ** (index + 1))) + epsilon);
        }
      });
    });
    return { weight: parameters.slice(0, 12), bias: parameters.slice(12) };
  }

  it.each<[string, Optimizer]>([
    ['SGD', sgd({ momentum: 0 })],
    ['SGD with momentum', sgd()],
    ['SGD with momentum and weight decay', sgd({ momentum: 0.8, weightDecay: 0.01 })],
    ['Adam', adam()],
    ['Adam with weight decay', adam({ beta1: 0.8, beta2: 0.95, weightDecay: 0.01 })],
  ])('of %s is that of double precision', async (_, optimizer) => {
    const data = dataset();
    const learningRate = 0.1;
    const epochs = 6;
    const { last, history } = await train(
      options({ dataset: data, optimizer, learningRate, schedule: cosine(), epochs, batchSize: 40 }),
    );
    const rates = Array.from({ length: epochs }, (_, i) => (learningRate * (1 + Math.cos((Math.PI * i) / epochs))) / 2);
    expect(history.map((record) => record.learningRate)).toEqual(rates.map((rate) => expect.closeTo(rate, 12)));
    const expected = reference(optimizer, rates, data);
    const { weight, bias } = weightsOf(last);
    expect([...(weight as Float32Array)]).toEqual(expected.weight.map((value) => expect.closeTo(value, 6)));
    expect([...(bias as Float32Array)]).toEqual(expected.bias.map((value) => expect.closeTo(value, 6)));
  });

  it.each<[string, Partial<TrainOptions>, number]>([
    ['the norm', { clipping: clipByNorm(1e-3) }, 1e-3],
    ['values', { clipping: clipByValue(1e-4) }, Math.sqrt(15) * 1e-4],
  ])('of clipped gradients is no longer than their limit, by %s', async (_, over, norm) => {
    const one = { epochs: 1, batchSize: 40, learningRate: 2, schedule: constant(), optimizer: sgd({ momentum: 0 }) };
    const [before, after] = [softmaxRegression(), (await train(options({ ...one, ...over }))).last].map(weightsOf);
    const moved = ['weight', 'bias'].flatMap((name) =>
      Array.from(after![name] as Float32Array, (w, i) => w - Number(before![name]![i])),
    );
    expect(Math.hypot(...moved) / (2 * norm)).toBeCloseTo(1, 3);
  });

  it('leaves the model it started from as it was', async () => {
    const model = softmaxRegression();
    await train(options({ model, epochs: 1 }));
    expect(weightsOf(model)).toEqual(weightsOf(softmaxRegression()));
  });
});

describe('label smoothing', () => {
  it('is descent on the smoothed cross-entropy', async () => {
    const data = dataset();
    const { images, labels } = data.batch(Uint32Array.from({ length: 40 }, (_, i) => i));
    const biasGradient = [0, 0, 0];
    labels.forEach((label, n) => {
      const x = images.data.subarray(n * 4, n * 4 + 4);
      const powers = START.map((row, k) => Math.exp(row.reduce((sum, w, p) => sum + w * x[p]!, [0.1, -0.1, 0][k]!)));
      const total = powers.reduce((a, b) => a + b);
      powers.forEach((power, k) => {
        biasGradient[k]! += (power / total - (0.7 * Number(k === label) + 0.1)) / 40;
      });
    });
    const one = { epochs: 1, batchSize: 40, learningRate: 1, schedule: constant(), optimizer: sgd({ momentum: 0 }) };
    const { last } = await train(options({ ...one, dataset: data, labelSmoothing: 0.3 }));
    expect([...(weightsOf(last).bias as Float32Array)]).toEqual(
      [0.1, -0.1, 0].map((value, k) => expect.closeTo(value - biasGradient[k]!, 5)),
    );
  });
});

describe('weight averaging', () => {
  it('validates and returns the average of the weights after each step', async () => {
    const plain = { batchSize: 40, schedule: constant(), learningRate: 0.3 };
    const averaging = weightAveraging({ decay: 0.3, start: 1, unit: 'steps' });
    const { last, history } = await train(
      options({ ...plain, epochs: 4, averaging, validation: { dataset: dataset({ seed: 5 }) } }),
    );
    let average = START.flat();
    for (const [step, decay] of [0, 0.1, 2 / 11, 0.25].entries()) {
      const weights = weightsOf((await train(options({ ...plain, epochs: step + 1 }))).last).weight!;
      average = average.map((value, i) => decay * value + (1 - decay) * Number(weights[i]));
    }
    expect([...(weightsOf(last).weight as Float32Array)]).toEqual(average.map((value) => expect.closeTo(value, 5)));
    const { accuracy } = await naturalAccuracy(new Classifier(last, runtime), dataset({ seed: 5 }));
    expect(history.at(-1)!.naturalAccuracy).toBe(accuracy);
  });
});

describe('batch normalisation', () => {
  const normalised = () =>
    modelOf([1, 2, 2], 3, (g, x) => {
      const vector = (name: string, ...data: number[]) =>
        g.parameter(name, { dtype: 'float32', shape: [data.length], data: Float32Array.from(data) });
      const inputs = [x, vector('scale', 1), vector('shift', 0), vector('mean', 0.25), vector('variance', 2)];
      const h = g.op('Flatten', [g.op('BatchNormalization', inputs, { epsilon: 1e-5, momentum: 0.9 })], { axis: 1 });
      const weight = g.parameter('weight', { dtype: 'float32', shape: [3, 4], data: Float32Array.from(START.flat()) });
      return g.rename(g.op('Gemm', [h, weight], { transB: 1 }), 'logits');
    });

  it('keeps running statistics: 0.9 of the old, 0.1 of the batch, with the variance of the population', async () => {
    const data = dataset();
    const pixels = data.batch(Uint32Array.from({ length: 40 }, (_, i) => i)).images.data;
    const mean = pixels.reduce((a, b) => a + b, 0) / pixels.length;
    const variance = pixels.reduce((sum, value) => sum + (value - mean) ** 2, 0) / pixels.length;
    const { last } = await train(options({ model: normalised(), dataset: data, epochs: 1, batchSize: 40 }));
    const weights = weightsOf(last);
    expect(Number(weights.mean![0])).toBeCloseTo(0.9 * 0.25 + 0.1 * mean, 6);
    expect(Number(weights.variance![0])).toBeCloseTo(0.9 * 2 + 0.1 * variance, 6);
    expect(Number(weights.scale![0])).not.toBe(1);
  });

  it('learns', async () => {
    const data = dataset({ spread: 0.3 });
    const { last } = await train(options({ model: normalised(), dataset: data, epochs: 40, learningRate: 0.2 }));
    expect((await naturalAccuracy(new Classifier(last, runtime), data)).accuracy).toBe(1);
  });
});

describe('a training that was stopped', () => {
  it.each([
    ['standard, SGD', { optimizer: sgd({ weightDecay: 1e-3 }) }],
    [
      'adversarial, Adam',
      { optimizer: adam(), method: adversarial({ attack: pgd({ steps: 2 }), epsilon: 0.1, warmup: 0.5 }) },
    ],
    [
      'with averages, clipping, smoothing and colours',
      {
        averaging: weightAveraging({ start: 0.3 }),
        clipping: clipByNorm(0.5),
        labelSmoothing: 0.1,
        augmentation: { flip: true, color: { brightness: 0.2 }, rotation: 5, cutout: 1 },
      },
    ],
  ])('goes on to the same weights, bit for bit (%s)', async (_, over) => {
    const folder = await mkdtemp(join(tmpdir(), 'tempered-'));
    try {
      const validation = { dataset: dataset({ seed: 2, spread: 0.7 }), attack: pgd({ steps: 1 }), epsilon: 0.1 };
      const model = networkModel({ inputShape: [1, 2, 2], classes: 3, activation: 'Relu', bias: true });
      const all = options({ model, epochs: 5, validation, augmentation: { flip: true }, ...over });
      const whole = await train(all);
      const checkpoints = checkpointFile(join(folder, 'checkpoint.npz'));
      const seen: number[] = [];
      const onEpoch = ({ epoch }: EpochRecord) => {
        seen.push(epoch);
        if (epoch === 2 && seen.length === 2) throw new Error('killed');
      };
      await expect(train({ ...all, checkpoints, onEpoch })).rejects.toThrow('killed');
      const resumed = await train({ ...all, checkpoints, onEpoch });
      // Epoch 2 was told before its checkpoint was stored, and is told again: no kill loses the record of an epoch.
      expect(seen).toEqual([1, 2, 2, 3, 4, 5]);
      expect(weightsOf(resumed.last)).toEqual(weightsOf(whole.last));
      expect(weightsOf(resumed.model)).toEqual(weightsOf(whole.model));
      expect(resumed.bestEpoch).toBe(whole.bestEpoch);
      const figures = ({ seconds: _seconds, ...rest }: EpochRecord) => rest;
      expect(resumed.history.map(figures)).toEqual(whole.history.map(figures));
      // Once more there is nothing left to do.
      expect(weightsOf((await train({ ...all, checkpoints })).last)).toEqual(weightsOf(whole.last));
      await expect(train({ ...all, model: softmaxRegression(), checkpoints })).rejects.toThrow(
        /the checkpoint does not fit the model/,
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('the epoch that is kept', () => {
  const rough = { learningRate: 3, schedule: constant(), epochs: 8 };
  const validationSet = dataset({ seed: 5, spread: 0.9, count: 60 });
  const lastBest = (scores: readonly number[]) => scores.lastIndexOf(Math.max(...scores)) + 1;

  it('is the last of the best by natural accuracy in standard training', async () => {
    const { model, bestEpoch, history } = await train(options({ ...rough, validation: { dataset: validationSet } }));
    const scores = history.map((record) => record.naturalAccuracy!);
    expect(bestEpoch).toBe(lastBest(scores));
    expect(new Set(scores).size).toBeGreaterThan(1);
    const { accuracy } = await naturalAccuracy(new Classifier(model, runtime), validationSet);
    expect(accuracy).toBe(scores[bestEpoch - 1]);
  });

  it('is the last of the best by (natural + robust accuracy) / 2 in adversarial training', async () => {
    const validation = { dataset: validationSet, attack: pgd({ steps: 1 }), epsilon: 0.1 };
    const method = adversarial({ attack: pgd({ steps: 1 }), epsilon: 0.1 });
    const { bestEpoch, history } = await train(options({ ...rough, method, validation }));
    expect(bestEpoch).toBe(lastBest(history.map((record) => (record.naturalAccuracy! + record.robustAccuracy!) / 2)));
  });

  it.each(['robust', 'last'] as const)('is chosen by what is asked for: %s', async (selection) => {
    const validation = { dataset: validationSet, attack: pgd({ steps: 1 }), epsilon: 0.1 };
    const { bestEpoch, history } = await train(options({ ...rough, selection, validation }));
    const robust = lastBest(history.map((record) => record.robustAccuracy!));
    expect(bestEpoch).toBe(selection === 'robust' ? robust : 8);
  });

  it('is the last one without validation', async () => {
    const { model, last, bestEpoch } = await train(options());
    expect(bestEpoch).toBe(3);
    expect(weightsOf(model)).toEqual(weightsOf(last));
  });
});

describe('adversarial training', () => {
  it('feeds adversarial images: the accuracy on what was fed is lower, and the weights are others', async () => {
    const natural = await train(options({ epochs: 30, learningRate: 0.3 }));
    const robust = (epsilon: number) =>
      train(options({ epochs: 30, learningRate: 0.3, method: adversarial({ attack: pgd({ steps: 3 }), epsilon }) }));
    const hard = await robust(0.25);
    expect(hard.history.at(-1)!.trainingAccuracy).toBeLessThan(natural.history.at(-1)!.trainingAccuracy - 0.05);
    // Without a radius it is standard training.
    expect(weightsOf((await robust(0)).last)).toEqual(weightsOf(natural.last));
  });

  it('lets ε grow during the warm-up', async () => {
    const method = adversarial({ attack: pgd({ steps: 1 }), epsilon: 0.4, warmup: 1 });
    const warm = await train(options({ epochs: 1, batchSize: 40, method }));
    // The first step is at progress 0, where ε is 0.
    const natural = await train(options({ epochs: 1, batchSize: 40 }));
    expect(weightsOf(warm.last)).toEqual(weightsOf(natural.last));
  });
});

describe('train', () => {
  it('is the same for the same seed, another for another', async () => {
    const [first, second, other] = [await train(options()), await train(options()), await train(options({ seed: 1 }))];
    expect(weightsOf(second.last)).toEqual(weightsOf(first.last));
    expect(weightsOf(other.last)).not.toEqual(weightsOf(first.last));
  });

  it('goes through the images in file order where it is asked to: nothing is left to the seed', async () => {
    const trained = async (over: Partial<TrainOptions>) => weightsOf((await train(options(over))).model);
    expect(await trained({ shuffle: false, seed: 1 })).toEqual(await trained({ shuffle: false, seed: 2 }));
    expect(await trained({ shuffle: false })).not.toEqual(await trained({}));
  });

  it('reports its progress over the whole training', async () => {
    const seen: string[] = [];
    await train(
      options({
        epochs: 2,
        batchSize: 15,
        onProgress: ({ stage, done, total }) => seen.push(`${stage}: ${done}/${total}`),
      }),
    );
    expect(seen).toEqual(['epoch 1 of 2: 1/4', 'epoch 1 of 2: 2/4', 'epoch 2 of 2: 3/4', 'epoch 2 of 2: 4/4']);
  });

  it.each([
    ['another order', ['class 0', 'class 2', 'class 1'], "class 1 is 'class 2' for 'small' and 'class 1' in corners"],
    ['other names', ['a', 'b', 'c'], "class 0 is 'a'"],
  ])('refuses classes in %s', async (_, classes, message) => {
    const model = { ...softmaxRegression(), classes };
    await expect(train(options({ model }))).rejects.toThrow(UsageError);
    await expect(train(options({ model }))).rejects.toThrow(message);
  });

  it('takes classes that are only counted for any', async () => {
    const model = { ...softmaxRegression(), classes: ['0', '1', '2'] };
    expect((await train(options({ model, epochs: 1 }))).history).toHaveLength(1);
  });

  it('ends when the loss is no number any more', async () => {
    await expect(train(options({ learningRate: 1e38 }))).rejects.toThrow(
      /^The loss is (NaN|Infinity) in epoch 1, batch \d: lower the learning rate, or clip the gradients.$/,
    );
  });

  it('keeps what it has when the loss is no number in a later epoch', async () => {
    const told: Finding[] = [];
    let stored: Checkpoint | undefined;
    const checkpoints: CheckpointStore = {
      load: async () => stored,
      save: async (checkpoint) => {
        stored = checkpoint;
      },
    };
    const schedule = multiStep({ milestones: [2], factor: 2e39, unit: 'epochs' });
    const wild = { epochs: 5, schedule, checkpoints };
    const { model, last, history, bestEpoch, findings } = await train(
      options({ ...wild, onFinding: (finding) => told.push(finding) }),
    );
    // The same once more: it goes on after the last good epoch, to the same end.
    expect(weightsOf((await train(options(wild))).last)).toEqual(weightsOf(last));
    const twoEpochs = await train(options({ epochs: 2, schedule: constant() }));
    expect(history).toHaveLength(2);
    expect(bestEpoch).toBe(2);
    expect(weightsOf(last)).toEqual(weightsOf(twoEpochs.last));
    expect(weightsOf(model)).toEqual(weightsOf(twoEpochs.last));
    expect(findings).toEqual(told);
    expect(findings).toMatchObject([{ name: 'not-a-number', epoch: 3 }]);
  });

  it('sees the last update of an epoch break the weights', async () => {
    const schedule = multiStep({ milestones: [1], factor: 1e40, unit: 'epochs' });
    const { history, findings } = await train(options({ epochs: 3, batchSize: 40, schedule }));
    expect(history).toHaveLength(1);
    expect(findings).toMatchObject([{ name: 'not-a-number', epoch: 2 }]);
    expect(findings[0]!.message).toContain("After epoch 2, 'weight' holds numbers that are not finite");
  });

  it('says when nothing is learned', async () => {
    const random = createRandom(3, 'noise');
    const pixels = new Float32Array(400 * 4);
    random.fillUniform(pixels, 0, 1);
    const noise = fromArrays({
      name: 'noise',
      split: 'train',
      classes: ['0', '1', '2'],
      imageShape: [1, 2, 2],
      pixels,
      labels: Array.from({ length: 400 }, () => random.integer(3)),
    });
    const still = { learningRate: 1e-9, epochs: 4, batchSize: 40 };
    const { findings } = await train(options({ ...still, dataset: noise }));
    expect(findings).toMatchObject([{ name: 'chance-level', epoch: 4 }]);
    expect((await train(options({ epochs: 10, learningRate: 0.3 }))).findings).toEqual([]);
  });

  it.each<[string, TrainingMethod]>([
    ['fast', fgsmRandomStart({ epsilon: 0.1 })],
    ['free', free({ epsilon: 0.1, replays: 2 })],
  ])('watches the robustness of %s training on the images it trains on', async (_, method) => {
    const { history } = await train(options({ epochs: 2, method }));
    for (const { trainingRobustAccuracy } of history) expect(trainingRobustAccuracy).toBeGreaterThan(0);
    const several = await train(
      options({ epochs: 1, method: adversarial({ attack: pgd({ steps: 2 }), epsilon: 0.1 }) }),
    );
    expect(several.history[0]).not.toHaveProperty('trainingRobustAccuracy');
  });

  it.each([
    ['standard', {}],
    ['adversarial', { method: adversarial({ attack: pgd({ steps: 3 }), epsilon: 0.1 }) }],
  ])('stops when asked, and releases every tensor (%s)', async (_, over) => {
    const { runtime: watched, live } = trackTensors(runtime);
    const stop = new AbortController();
    const onProgress = ({ done }: { done: number }) => {
      if (done === 2) stop.abort(new Error('enough'));
    };
    await expect(train(options({ ...over, runtime: watched, signal: stop.signal, onProgress }))).rejects.toThrow(
      'enough',
    );
    expect(live.size).toBe(0);
    await train(options({ ...over, runtime: watched }));
    expect(live.size).toBe(0);
  });

  it('releases what it has placed when the engine takes no more', async () => {
    // Two parameters, and the two moments of each.
    for (const failing of [1, 2, 3, 6]) {
      const { runtime: watched, live } = trackTensors(runtime);
      let uploads = 0;
      const full: Runtime = {
        ...watched,
        upload: (tensor) => (++uploads === failing ? Promise.reject(new Error('no memory')) : watched.upload(tensor)),
      };
      await expect(train(options({ runtime: full, optimizer: adam() }))).rejects.toThrow('no memory');
      expect(live.size).toBe(0);
    }
  });

  it.each<[string, Partial<TrainOptions>, RegExp]>([
    [
      'other classes',
      { dataset: dataset({ classes: 2 }) },
      /^'small' takes 1x2x2 images of 3 classes, but corners has 1x2x2 images of 2$/,
    ],
    ['a batch larger than the data', { batchSize: 41 }, /^corners has 40 images, fewer than one batch of 41$/],
    ['no batch', { batchSize: 0 }, /^the batch size must be a whole number, 1 or more, not 0$/],
    ['no epochs', { epochs: 0 }, /^epochs must be a whole number, 1 or more, not 0$/],
    ['a schedule without meaning', { schedule: cosine({ floor: 2 }) }, /^the cosine schedule: the floor must be/],
    ['a limit of 0', { clipping: clipByNorm(0) }, /^the limit of clipping by norm must be above 0, not 0$/],
    ['label smoothing of 1', { labelSmoothing: 1 }, /^label smoothing must be a share/],
    ['an average that stands still', { averaging: weightAveraging({ decay: 1 }) }, /^the decay of weight averaging/],
    ['augmentation out of range', { augmentation: { rotation: 200 } }, /^augmentation: rotation/],
    [
      'a choice by what is not measured',
      { validation: { dataset: dataset() }, selection: 'robust' },
      /^to keep the best epoch by 'robust' accuracy, the validation needs an attack$/,
    ],
    ['a rate of 0', { learningRate: 0 }, /^the learning rate must be above 0, not 0$/],
    [
      'ε below 0',
      { method: adversarial({ attack: pgd(), epsilon: -1 }) },
      /^adversarial training: epsilon must be 0 or more, not -1$/,
    ],
    ...[5, -0.1, Number.NaN].map((warmup): [string, Partial<TrainOptions>, RegExp] => [
      `a warm-up of ${warmup}`,
      { method: adversarial({ attack: pgd({ steps: 1 }), epsilon: 0.1, warmup }) },
      /^a ramp (ends within the training|goes from 0 or later)/,
    ]),
    [
      'an attack that keeps the worst iterate',
      { method: adversarial({ attack: pgd({ keep: 'worst' }), epsilon: 1 }) },
      /^adversarial training: the attack keeps the last iterate/,
    ],
  ])('refuses %s', async (_, over, message) => {
    const refusal = await train(options(over)).catch((error) => error);
    expect(refusal).toBeInstanceOf(UsageError);
    expect(refusal.message).toMatch(message);
  });
});
