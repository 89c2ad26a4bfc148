/** @file Every training method, on a network small enough for all of them. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pgd } from '../attacks/pgd.ts';
import { type Dataset, fromArrays } from '../data/dataset.ts';
import type { ModelDescription } from '../models/classifier.ts';
import { modelOf } from '../models/testing/small-models.ts';
import { createRandom } from '../random.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { trackTensors } from '../runtime/testing/track-tensors.ts';
import type { Checkpoint, CheckpointStore } from './checkpoint.ts';
import { type InterpretationMethodName, interpretationMethod } from './interpretation-methods.ts';
import {
  adversarial,
  fgsmRandomStart,
  free,
  mart,
  standard,
  type TrainingMethod,
  trades,
  withWeightPerturbation,
} from './method.ts';
import { adam } from './optimizer.ts';
import { ramp } from './ramp.ts';
import { type TrainOptions, train } from './train.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const CLASSES = 3;
const SHAPE = [1, 4, 4] as const;

/** Bright corners on noise: a class for each corner. */
function corners(count = 30, seed = 1): Dataset {
  const random = createRandom(seed, 'data');
  const labels = Int32Array.from({ length: count }, () => random.integer(CLASSES));
  const pixels = new Float32Array(count * 16);
  random.fillUniform(pixels, 0, 0.5);
  const places = [0, 3, 12];
  labels.forEach((label, i) => {
    for (const offset of [0, 1, 4, 5].map((at) => Math.max(0, at - (places[label]! % 4 === 3 ? 1 : 0))))
      pixels[i * 16 + Math.min(15, places[label]! + offset - (places[label]! === 12 ? 4 : 0))] = 0.9;
  });
  const classes = Array.from({ length: CLASSES }, (_, k) => `class ${k}`);
  return fromArrays({ name: 'corners', split: 'train', classes, imageShape: SHAPE, pixels, labels });
}

/** Convolution, perhaps batch normalisation, tanh, convolution, global average pooling, linear. */
function network({ batchNorm = false } = {}): ModelDescription {
  const parameter = (g: GraphBuilder, name: string, shape: readonly number[], scale = 0.6): Value => {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    createRandom(3, name).fillNormal(data, 0, scale);
    return g.parameter(name, { dtype: 'float32', shape, data });
  };
  const filled = (g: GraphBuilder, name: string, value: number) =>
    g.parameter(name, { dtype: 'float32', shape: [4], data: new Float32Array(4).fill(value) });
  return modelOf(SHAPE, CLASSES, (g, x) => {
    const conv = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
    let h = g.op('Conv', [x, parameter(g, 'conv1.weight', [4, 1, 3, 3]), parameter(g, 'conv1.bias', [4], 0.1)], conv);
    if (batchNorm) {
      const inputs = [
        h,
        filled(g, 'scale', 1),
        filled(g, 'shift', 0),
        filled(g, 'mean', 0.2),
        filled(g, 'variance', 2),
      ];
      h = g.op('BatchNormalization', inputs, { epsilon: 1e-5, momentum: 0.9 });
    }
    h = g.rename(g.op('Conv', [g.tanh(h), parameter(g, 'conv2.weight', [5, 4, 3, 3])], conv), 'features');
    h = g.op('Flatten', [g.op('GlobalAveragePool', [h])], { axis: 1 });
    return g.rename(g.op('Gemm', [h, parameter(g, 'head', [CLASSES, 5], 1)], { transB: 1 }), 'logits');
  });
}

const attack = pgd({ steps: 3, stepSize: 0.05 });
const NAMES = [
  'normal',
  'adv',
  'trades',
  'int',
  'int-adv',
  'int-one-class',
  'int2',
  'int2-adv',
  'ig-norm',
  'ig-norm-sum',
] as const satisfies readonly InterpretationMethodName[];

const inner = { attack, epsilon: 0.1 };
const methods: Record<string, TrainingMethod> = {
  standard: standard(),
  adversarial: adversarial({ ...inner, ramp: ramp({ from: 1, until: 4 }) }),
  'adversarial, margin': adversarial({ ...inner, attack: pgd({ steps: 2, loss: 'margin', norm: 'l2' }) }),
  alternating: adversarial({ ...inner, batches: 'alternating' }),
  mixed: adversarial({ ...inner, share: 0.5 }),
  'as Boychev': adversarial({ ...inner, batchNorm: 'training, moving statistics', keep: 'batch-best' }),
  'as Kim': adversarial({
    ...inner,
    objective: [{ name: 'margin', at: 'adversarial', confidence: 500, rival: 'other or 0' }],
  }),
  'batch statistics': adversarial({ ...inner, batchNorm: 'training' }),
  fgsmRandomStart: fgsmRandomStart({ epsilon: 0.1 }),
  free: free({ epsilon: 0.1, replays: 3, ramp: ramp({ until: 4 }) }),
  trades: trades(inner),
  mart: mart(inner),
  'adversarial, weights perturbed': withWeightPerturbation(adversarial(inner), { gamma: 0.01 }),
  'TRADES, weights perturbed': withWeightPerturbation(trades(inner), { gamma: 0.01, ramp: ramp({ until: 3 }) }),
  'MART, weights perturbed': withWeightPerturbation(mart(inner)),
  ...Object.fromEntries(
    NAMES.map((name) => [
      `Boopathy ${name}`,
      interpretationMethod(name, { ...inner, lambdaRamp: ramp({ until: 2 }), ramp: ramp({ from: 1, until: 3 }) }),
    ]),
  ),
  'Boopathy int2-adv, form of the paper': interpretationMethod('int2-adv', { ...inner, form: 'paper' }),
};

const options = (over: Partial<TrainOptions>): TrainOptions => ({
  runtime,
  model: network(),
  dataset: corners(),
  epochs: 3,
  batchSize: 10,
  learningRate: 0.01,
  optimizer: adam(),
  ...over,
});

const weightsOf = (model: ModelDescription) =>
  Object.fromEntries([...model.graph.initializers].map(([name, { data }]) => [name, data]));

/** A checkpoint that outlives the training. */
function memory(): CheckpointStore {
  let saved: Checkpoint | undefined;
  return {
    load: async () => saved && structuredClone(saved),
    save: async (checkpoint) => {
      saved = structuredClone(checkpoint);
    },
  };
}

describe.each(Object.entries(methods))('%s', (name, method) => {
  it('is plain data', () => {
    expect(JSON.parse(JSON.stringify(method))).toEqual(method);
  });

  it('ends the same, bit for bit, when it was stopped and resumed, and frees what it held', async () => {
    const { runtime: watched, live } = trackTensors(runtime);
    const all = options({ method, runtime: watched, model: network({ batchNorm: !name.includes('Boopathy') }) });
    const whole = await train(all);
    const checkpoints = memory();
    const onEpoch = ({ epoch }: { epoch: number }) => {
      if (epoch === 2) throw new Error('killed');
    };
    await expect(train({ ...all, checkpoints, onEpoch })).rejects.toThrow('killed');
    const resumed = await train({ ...all, checkpoints });
    expect(weightsOf(resumed.last)).toEqual(weightsOf(whole.last));
    expect(weightsOf(whole.last)).not.toEqual(weightsOf(all.model));
    for (const data of Object.values(weightsOf(whole.last)))
      expect(Array.from(data, Number).every(Number.isFinite)).toBe(true);
    expect(live.size).toBe(0);
  });
});
