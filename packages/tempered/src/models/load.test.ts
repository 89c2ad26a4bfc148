import { emptyGraph, type Graph, GraphBuilder, ModelError, parseModel, specialize, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { perturb } from '../attacks/attack.ts';
import { pgd } from '../attacks/pgd.ts';
import { attribute } from '../attribution/attribute.ts';
import { integratedGradients } from '../attribution/integrated-gradients.ts';
import { UsageError } from '../errors.ts';
import { optimizeInput } from '../optimize/optimize-input.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import { Classifier, type ModelDescription } from './classifier.ts';
import { type ReadModelOptions, readModel, writeModelFile } from './load.ts';
import { predictLogits, softmaxRows } from './predict.ts';
import { affineModel, modelOf, networkModel, noiseImages } from './testing/small-models.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const SHAPE = [3, 2, 2];
const images = noiseImages(5, SHAPE);
const network = () => networkModel({ inputShape: SHAPE, classes: 4, activation: 'Tanh', bias: true });
const logitsOf = async (model: ModelDescription, x: Tensor = images) =>
  (await predictLogits(new Classifier(model, runtime), x)).data;

/** A file with the graph changed. */
const fileOf = (change: (graph: Graph) => Graph = (graph) => graph, model = network()) =>
  writeModel(change(parseModel(writeModelFile(model))));

describe('a model file', () => {
  it('written and read gives the same logits, name and classes', async () => {
    const model = network();
    const read = readModel(writeModelFile(model));
    expect(read).toMatchObject({
      name: 'small',
      inputShape: SHAPE,
      classes: ['class 0', 'class 1', 'class 2', 'class 3'],
    });
    expect(await logitsOf(read)).toEqual(await logitsOf(model));
    expect(writeModelFile(read)).toEqual(writeModelFile(model));
  });

  it('takes class names from the options, else its metadata, else numbers', () => {
    const named = (classes: unknown) =>
      fileOf((graph) => ({ ...graph, metadata: { 'tempered.classes': JSON.stringify(classes) } }));
    expect(readModel(named(['a', 'b', 'c', 'd'])).classes).toEqual(['a', 'b', 'c', 'd']);
    expect(readModel(named(['a', 'b', 'c', 'd']), { classes: ['e', 'f', 'g', 'h'] }).classes).toEqual([
      'e',
      'f',
      'g',
      'h',
    ]);
    for (const unfit of [['a', 'b'], { a: 1 }, [1, 2, 3, 4], null]) {
      expect(readModel(named(unfit)).classes).toEqual(['0', '1', '2', '3']);
    }
    const damaged = fileOf((graph) => ({ ...graph, metadata: { 'tempered.classes': '["a' } }));
    expect(readModel(damaged).classes).toEqual(['0', '1', '2', '3']);
  });

  it('counts classes by inference where the file does not declare them', () => {
    const open = fileOf((graph) => ({
      ...graph,
      outputs: graph.outputs.map((output) => ({ ...output, shape: undefined })),
    }));
    expect(readModel(open).classes).toHaveLength(4);
  });
});

describe('preprocessing', () => {
  const mean = [0.4, 0.5, 0.6];
  const std = [0.2, 0.25, 0.5];
  const normalised: Tensor = {
    shape: images.shape,
    data: images.data.map((value, i) => (value - mean[(i >> 2) % 3]!) / std[(i >> 2) % 3]!),
  };
  const close = async (found: Float32Array, expected: Float32Array) =>
    expect([...found]).toEqual(Array.from(expected, (value) => expect.closeTo(value, 4)));

  it('is part of the graph: the same logits as for images normalised by hand', async () => {
    await close(await logitsOf(readModel(fileOf(), { mean, std })), await logitsOf(network(), normalised));
  });

  it('may be one number for all channels, and either half alone', async () => {
    const by = (shift: number, scale: number) => ({
      shape: images.shape,
      data: images.data.map((value) => (value - shift) / scale),
    });
    await close(await logitsOf(readModel(fileOf(), { mean: [0.5] })), await logitsOf(network(), by(0.5, 1)));
    await close(await logitsOf(readModel(fileOf(), { std: [0.5] })), await logitsOf(network(), by(0, 0.5)));
  });

  it('is kept by a written file, and can be put in front of another', async () => {
    const once = readModel(fileOf(), { mean, std });
    await close(await logitsOf(readModel(writeModelFile(once))), await logitsOf(network(), normalised));
    const twice = readModel(writeModelFile(once), { mean: [0.1], std: [2] });
    const inner = { shape: images.shape, data: images.data.map((value) => (value - 0.1) / 2) };
    await close(await logitsOf(twice), await logitsOf(once, inner));
  });

  it('fits inputs without height and width', async () => {
    const vector = { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) };
    const model = readModel(
      writeModelFile(
        affineModel(
          [3],
          [
            [1, 0, 0],
            [0, 1, 1],
          ],
        ),
      ),
      { mean: [1, 1, 2], std: [1, 2, 4] },
    );
    expect([...(await logitsOf(model, vector))]).toEqual([0, 0.5 + 0.25, 3, 2 + 1]);
  });
});

describe('a batch that the exporter fixed', () => {
  const fixed = (graph: Graph): Graph => ({
    ...graph,
    inputs: graph.inputs.map((input) => ({ ...input, shape: [1, ...input.shape!.slice(1)] })),
    outputs: graph.outputs.map((output) => ({ ...output, shape: [1, ...output.shape!.slice(1)] })),
  });

  it('is opened where nothing inside depends on it', async () => {
    expect(await logitsOf(readModel(fileOf(fixed)))).toEqual(await logitsOf(network()));
  });

  it('is kept where something does: images run that many at a time, whatever is asked for', async () => {
    const reshaping = modelOf(SHAPE, 4, (g, x) => {
      const weight = g.parameter('w', { dtype: 'float32', shape: [12, 4], data: new Float32Array(48).fill(0.5) });
      return g.rename(g.matmul(g.op('Reshape', [x, g.integers([1, 12])]), weight), 'logits');
    });
    const classifier = new Classifier(readModel(fileOf(fixed, reshaping)), runtime);
    expect((await predictLogits(classifier, images)).shape).toEqual([5, 4]);
    expect((await predictLogits(classifier, images, { batchSize: 5 })).shape).toEqual([5, 4]);
  });

  it('serves fewer images than that', async () => {
    const open = modelOf(SHAPE, 4, (g, x) => {
      const weights = Float32Array.from({ length: 48 }, (_, i) => Math.sin(i));
      const weight = g.parameter('w', { dtype: 'float32', shape: [12, 4], data: weights });
      return g.rename(g.matmul(g.op('Reshape', [x, g.integers([-1, 12])]), weight), 'logits');
    });
    const inFours = (graph: Graph): Graph => ({
      ...graph,
      inputs: graph.inputs.map((input) => ({ ...input, shape: [4, ...SHAPE] })),
      outputs: graph.outputs.map((output) => ({ ...output, shape: [4, 4] })),
      initializers: new Map(
        [...graph.initializers].map(([name, tensor]) =>
          tensor.dtype === 'int64' ? [name, { ...tensor, data: BigInt64Array.of(4n, 12n) }] : [name, tensor],
        ),
      ),
    });
    const classifiers = [fileOf(inFours, open), fileOf(undefined, open)].map(
      (file) => new Classifier(readModel(file), runtime),
    );
    const one = { shape: [1, ...SHAPE], data: images.data.slice(0, 12) };
    const [logits, openLogits] = await Promise.all(classifiers.map((of) => predictLogits(of, one)));
    expect(logits).toEqual(openLogits);
    const attacked = { images: one, labels: [0], epsilon: 0.1 };
    const [found, openFound] = await Promise.all(classifiers.map((of) => perturb(of, pgd({ steps: 3 }), attacked)));
    expect(found!.adversarial).toEqual(openFound!.adversarial);
    const explained = { images: one, target: 1, method: integratedGradients({ steps: 3 }) };
    const [map, openMap] = await Promise.all(classifiers.map((of) => attribute(of, explained)));
    const expected = Array.from(openMap!.attributions.data, (value) => expect.closeTo(value, 6));
    expect([...map!.attributions.data]).toEqual(expected);
  });
});

describe('a softmax at the end', () => {
  const scores = network();
  /** The network with more nodes behind its logits. */
  type Ending = [op: string, attributes?: Record<string, number>];
  const ending = (...ops: Ending[]) =>
    modelOf(SHAPE, 4, (g, x) => {
      const values = g.append(specialize(scores.graph, { input: [1, ...SHAPE] }), { input: x });
      const last = ops.reduce((value, [op, attributes]) => g.op(op, [value], attributes), values.get('logits')!);
      return g.rename(last, 'probabilities');
    });

  it.each<[string, Ending[]]>([
    ['Softmax', [['Softmax', { axis: 1 }]]],
    ['LogSoftmax', [['LogSoftmax', { axis: -1 }]]],
    ['Softmax through Flatten and Identity', [['Softmax', { axis: 1 }], ['Flatten', { axis: 1 }], ['Identity']]],
  ])('is left out: %s', async (_, ops) => {
    const read = readModel(writeModelFile(ending(...ops)));
    expect(await logitsOf(read)).toEqual(await logitsOf(scores));
    expect(await logitsOf(readModel(writeModelFile(read)))).toEqual(await logitsOf(scores));
    expect([read.leftOut, readModel(writeModelFile(read)).leftOut]).toEqual([ops[0]![0], undefined]);
  });

  it('stays where the scores go on to be worked with', async () => {
    const read = readModel(writeModelFile(ending(['Softmax', { axis: 1 }], ['Sqrt'])));
    const { data } = softmaxRows({ shape: [5, 4], data: await logitsOf(scores) });
    expect([...(await logitsOf(read))]).toEqual(Array.from(data, (p) => expect.closeTo(Math.sqrt(p), 5)));
  });

  it('is refused as a Sigmoid', () => {
    const read = () => readModel(writeModelFile(ending(['Sigmoid'], ['Identity'])));
    expect(read).toThrow(UsageError);
    expect(read).toThrow(/^output 'probabilities' is made by a Sigmoid/);
  });
});

describe('what cannot be read', () => {
  const renamed =
    (dtype: 'float16' | 'float64' | 'int64') =>
    (graph: Graph): Graph => ({
      ...graph,
      inputs: graph.inputs.map((input) => ({ ...input, dtype })),
    });
  const inputOf =
    (shape: Graph['inputs'][number]['shape']) =>
    (graph: Graph): Graph => ({
      ...graph,
      inputs: graph.inputs.map((input) => ({ ...input, shape })),
    });

  it.each<[string, Uint8Array, ReadModelOptions, RegExp]>([
    [
      'an input that is not there',
      fileOf(),
      { input: 'pixels' },
      /^the model has no input 'pixels'; its inputs: 'input'$/,
    ],
    [
      'an output that is not there',
      fileOf(),
      { output: 'scores' },
      /^the model has no output 'scores'; its outputs: 'logits'$/,
    ],
    ['integers', fileOf(renamed('int64')), {}, /^the model has no input for images; its inputs: 'input'$/],
    [
      'halves',
      fileOf(renamed('float16')),
      {},
      /^input 'input' of the model takes float16; only float32 images are supported$/,
    ],
    [
      'an open size',
      fileOf(inputOf(['N', 3, 'H', 'W'])),
      {},
      /^input 'input' leaves its size open: .*--input-shape 3x224x224/,
    ],
    [
      'no shape',
      fileOf(inputOf(undefined)),
      {},
      /^input 'input' of the model needs a batch axis and at least one more$/,
    ],
    [
      'a number as input',
      fileOf(inputOf([])),
      {},
      /^input 'input' of the model needs a batch axis and at least one more$/,
    ],
    [
      'another size',
      fileOf(),
      { inputShape: [3, 2, 4] },
      /^the input shape 3x2x4 does not fit input 'input', declared as \[N, 3, 2, 2\]$/,
    ],
    [
      'another rank',
      fileOf(),
      { inputShape: [12] },
      /^the input shape 12 does not fit input 'input', declared as \[N, 3, 2, 2\]$/,
    ],
    [
      'too few class names',
      fileOf(),
      { classes: ['a'] },
      /^1 class names were given, but output 'logits' of 'small' has 4 classes$/,
    ],
    ['two means', fileOf(), { mean: [0, 1] }, /^mean needs 1 or 3 numbers, one a channel, not 2$/],
    ['a deviation of 0', fileOf(), { std: [0] }, /^std must be above 0 in every channel$/],
    [
      'an endless output',
      fileOf((graph) => ({ ...graph, outputs: graph.outputs.map((output) => ({ ...output, shape: ['N', 2 ** 40] })) })),
      {},
      /^output 'logits' holds 1099511627776 numbers an image: these are no class scores$/,
    ],
  ])('%s', (_, file, options, message) => {
    const read = () => readModel(file, options);
    expect(read).toThrow(UsageError);
    expect(read).toThrow(message);
  });

  it('bytes that are no model', () => {
    expect(() => readModel(new Uint8Array([1, 2, 3, 4]))).toThrow(ModelError);
    expect(() => readModel(fileOf().subarray(0, 60))).toThrow(ModelError);
  });

  it('open sizes are taken from the options', () => {
    expect(readModel(fileOf(inputOf(['N', 3, 'H', 'W'])), { inputShape: [3, 2, 2] }).inputShape).toEqual([3, 2, 2]);
  });
});

describe('a model whose own names are those of programs', () => {
  it.each([
    'x',
    'target',
    'value',
    'objective',
    'result',
    'total_next',
    'logits_out',
    'loss',
    'worst_x',
    'x_next',
    'origin',
  ])("runs with a value called '%s'", async (name) => {
    const g = new GraphBuilder(emptyGraph('named'));
    const input = g.input('input', 'float32', [1, 2]);
    const weight = g.parameter('epsilon', { dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, 0, 0, 1) });
    const logits = g.rename(g.matmul(g.rename(g.tanh(input), name), weight), 'worst_value');
    g.graph.inputs = [{ name: 'input', dtype: 'float32', shape: ['N', 2] }];
    g.output(logits);
    const classifier = new Classifier(
      readModel(writeModel({ ...g.graph, outputs: [{ name: 'worst_value', dtype: 'float32', shape: ['N', 2] }] })),
      runtime,
    );
    const result = await optimizeInput(classifier, {
      images: { shape: [1, 2], data: Float32Array.of(0.5, 0.4) },
      labels: [0],
      goal: 'away',
      norm: 'linf',
      epsilon: 0.1,
      stepSize: 0.1,
      steps: 1,
      keep: 'worst',
    });
    expect([...result.images.data]).toEqual([expect.closeTo(0.4, 6), expect.closeTo(0.5, 6)]);
  });
});
