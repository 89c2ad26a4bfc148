import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attribute } from '../../attribution/attribute.ts';
import { edges } from '../../attribution/baselines/edges.ts';
import { plainGradient } from '../../attribution/gradient.ts';
import { loadDataset } from '../../data/node/load.ts';
import { createModel } from '../../models/architectures/index.ts';
import { Classifier, type ModelDescription } from '../../models/classifier.ts';
import { loadClassifier } from '../../models/node/load.ts';
import { affineModel, networkModel, noiseImages } from '../../models/testing/small-models.ts';
import { weightLayers } from '../../models/weight-layers.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { estimateMean } from '../../statistics.ts';
import type { Tensor } from '../../tensor.ts';
import {
  dependenceOnParameters,
  dependenceOnParametersKind,
  type ParameterRandomisationOptions,
  parameterRandomisation,
  withRandomLayers,
} from './parameter-randomisation.ts';

const SHAPE = [1, 8, 8] as const;
const images = noiseImages(6, SHAPE);
const method = plainGradient();

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const network = networkModel({ inputShape: SHAPE, classes: 3, activation: 'Relu', bias: true });
const stagesOf = (model: ModelDescription, options: Partial<ParameterRandomisationOptions> = {}) =>
  parameterRandomisation(new Classifier(model, runtime), { images, method, ...options });

describe('layers', () => {
  it('begin at weights, and go on with what comes before the next ones', () =>
    expect(weightLayers(network)).toEqual([
      { name: 'hidden.weight', parameters: ['hidden.weight', 'hidden.bias'] },
      { name: 'top.weight', parameters: ['top.weight', 'top.bias'] },
    ]));

  it('of a network with batch normalisation hold its scales and statistics; preprocessing is in none', () => {
    const model = createModel({ architecture: 'cifar-small-resnet', inputShape: [3, 32, 32], classes: ['a', 'b'] });
    const layers = weightLayers(model);
    // The first convolution, two in each of three blocks, two shortcuts and the logits.
    expect(layers).toHaveLength(10);
    expect(layers[0]!.parameters.filter((name) => /running_var|running_mean/.test(name))).toHaveLength(2);
    const all = layers.flatMap(({ parameters }) => parameters);
    expect(new Set(all).size).toBe(all.length);
    const signed = createModel({ architecture: 'gap-small', inputShape: [1, 12, 12], classes: ['a', 'b'] });
    expect(weightLayers(signed).some(({ parameters }) => parameters.some((name) => /preprocessing/.test(name)))).toBe(
      false,
    );
  });
});

describe('order', () => {
  it('a cascade ends with every layer random, from either side; alone, a layer is what the cascade begins with', async () => {
    const down = await stagesOf(network);
    const up = await stagesOf(network, { order: 'bottom-up' });
    const alone = await stagesOf(network, { order: 'independent' });
    expect(down.map(({ layer, randomised, layers }) => [layer, randomised, layers])).toEqual([
      ['top.weight', 1, 2],
      ['hidden.weight', 2, 2],
    ]);
    expect(up.map(({ layer, randomised }) => [layer, randomised])).toEqual([
      ['hidden.weight', 1],
      ['top.weight', 2],
    ]);
    expect(alone.map(({ randomised }) => randomised)).toEqual([1, 1]);
    expect(up[1]!.similarity).toEqual(down[1]!.similarity);
    expect(alone[0]!.similarity).toEqual(up[0]!.similarity);
    expect(alone[1]!.similarity).toEqual(down[0]!.similarity);
    expect(down[1]!.samePrediction.count).toBe(6);
  });

  it('can be of some layers, and depends on the seed', async () => {
    const [only] = await stagesOf(network, { layers: ['hidden.weight'] });
    const [other] = await stagesOf(network, { layers: ['hidden.weight'], seed: 1 });
    expect(only).toMatchObject({ layer: 'hidden.weight', randomised: 1, layers: 1 });
    expect(other!.similarity.spearman!.mean).not.toBe(only!.similarity.spearman!.mean);
    await expect(stagesOf(network, { layers: ['none'] })).rejects.toThrow(/hidden.weight, top.weight/);
  });
});

describe('new weights', () => {
  // The gradient of a linear classifier is a row of its weights.
  const weights = [0, 1].map((k) => Array.from({ length: 64 }, (_, i) => 5 + Math.sin(7 * k + i) ** 3));
  const linear = affineModel(SHAPE, weights);

  const values = (model: ModelDescription, name: string) => [
    ...(model.graph.initializers.get(name)!.data as Float32Array),
  ];

  it('normal: have mean and spread of the old ones; biases only change places', () => {
    const random = withRandomLayers(network);
    for (const name of ['hidden.weight', 'top.weight']) {
      const [before, after] = [estimateMean(values(network, name)), estimateMean(values(random, name))];
      expect(values(random, name)).not.toEqual(values(network, name));
      expect(Math.abs(after.mean - before.mean)).toBeLessThan(4 * before.standardError);
      expect(after.standardError / before.standardError).toBeCloseTo(1, 0);
    }
    for (const name of ['hidden.bias', 'top.bias'])
      expect(values(random, name).sort()).toEqual(values(network, name).sort());
    expect(values(withRandomLayers(network, { layers: ['top.weight'] }), 'hidden.weight')).toEqual(
      values(network, 'hidden.weight'),
    );
  });

  it('permuted: are the old ones in another order', () => {
    const random = withRandomLayers(network, { redraw: 'permuted' });
    expect(values(random, 'hidden.weight')).not.toEqual(values(network, 'hidden.weight'));
    expect(values(random, 'hidden.weight').sort()).toEqual(values(network, 'hidden.weight').sort());
  });

  it.each(['normal', 'permuted'] as const)('%s: leave a linear map nothing of its order', async (redraw) => {
    const [stage] = await stagesOf(linear, { redraw, target: 0 });
    // Of 64 pixels without relation, ρ is within 0.45 of 0 in 99.97 % of cases.
    expect(Math.abs(stage!.similarity.spearman!.mean)).toBeLessThan(0.45);
  });

  it('equal weights that change places are the same weights', async () => {
    const [stage] = await stagesOf(affineModel(SHAPE, [new Array<number>(64).fill(2), new Array<number>(64).fill(2)]), {
      redraw: 'permuted',
    });
    expect(stage!.similarity.ssim!.mean).toBeCloseTo(1, 9);
    expect(stage!.samePrediction.accuracy).toBe(1);
  });

  it('initial: as the architecture draws them', async () => {
    const model = createModel({ architecture: 'small-cnn', inputShape: [1, 8, 8], classes: ['a', 'b', 'c'], seed: 3 });
    const stages = await stagesOf(model, { redraw: 'initial' });
    expect(stages.at(-1)!.similarity.spearman!.mean).toBeLessThan(0.5);
    await expect(stagesOf(network, { redraw: 'initial' })).rejects.toThrow(/take 'normal' or 'permuted'/);
  });

  it('a model without float weights is refused', async () => {
    const none = affineModel(SHAPE, [[1], [1]]);
    const graph = { ...none.graph, initializers: new Map() };
    await expect(stagesOf({ ...none, graph }).catch((error: Error) => error.message)).resolves.toMatch(/weight/);
  });
});

describe('as a measure', () => {
  const measured = async (explain: (images: Tensor, on?: Classifier) => Promise<Tensor>) => {
    const classifier = new Classifier(network, runtime);
    const task = {
      ...{ classifier, images, targets: new Int32Array(6), seed: 0, imageNumbers: [0, 1, 2, 3, 4, 5], batchSize: 6 },
      ...({ ranking: 'magnitude', scale: 'local' } as const),
      attributions: await explain(images),
      explain,
    };
    return { classifier, scores: await dependenceOnParametersKind.score(task, dependenceOnParameters()) };
  };

  it('is 1 for a map that hangs on the image alone, and what the last stage says for the gradient', async () => {
    const still = await measured(async (given) => given);
    for (const score of still.scores) expect(score).toBeCloseTo(1, 12);
    const { classifier, scores } = await measured(async (given, on) => {
      const explained = on ?? new Classifier(network, runtime);
      return (await attribute(explained, { images: given, method, target: 0 })).attributions;
    });
    const stages = await parameterRandomisation(classifier, { images, method, target: 0 });
    expect(estimateMean(scores).mean).toBeCloseTo(stages.at(-1)!.similarity.spearmanAbsolute!.mean, 6);
  });
});

const FILE = '../shared/models/mnist-small-normal.onnx';
describe.skipIf(!existsSync(FILE))('on a trained network (needs ../shared)', () => {
  it('the gradient forgets the object as the weights go, and the prediction with it', async () => {
    const classifier = await loadClassifier(FILE, { runtime });
    const mnist = await loadDataset({ name: 'mnist', dataDir: '../shared/data/mnist', count: 8 });
    const digits = mnist.batch([0, 1, 2, 3, 4, 5, 6, 7]).images;
    const stages = await parameterRandomisation(classifier, { images: digits, method });
    expect(stages.length).toBeGreaterThan(2);
    const last = stages.at(-1)!;
    expect(last.randomised).toBe(last.layers);
    expect(Math.abs(last.similarity.spearman!.mean)).toBeLessThan(0.3);
    expect(last.samePrediction.accuracy).toBeLessThan(0.9);
    // What Adebayo et al. warn of: a map of edges looks right, and says nothing about the network.
    const [layer] = weightLayers(classifier.description);
    const [edge] = await parameterRandomisation(classifier, { images: digits, method: edges(), layers: [layer!.name] });
    expect(edge!.similarity.spearman).toMatchObject({ mean: 1 });
  });
});
