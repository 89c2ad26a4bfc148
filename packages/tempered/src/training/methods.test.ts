import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pgd } from '../attacks/pgd.ts';
import type { ModelDescription } from '../models/classifier.ts';
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
import type { TrainOptions } from './options.ts';
import { ramp } from './ramp.ts';
import { corners, gapNetwork } from './testing/gap-network.ts';
import { train } from './train.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

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
  mixed: adversarial({ ...inner, share: 0.5 }),
  'as Boychev': adversarial({
    ...inner,
    attack: { ...attack, keep: 'batch' },
    batchNorm: 'training, moving statistics',
  }),
  'as Kim': adversarial({
    ...inner,
    objective: [{ name: 'margin', at: 'adversarial', confidence: 500, rival: 'other or 0' }],
  }),
  'as Zhang and Zhu': adversarial({
    ...inner,
    attack: { ...attack, norm: 'l2', direction: 'sign', projection: 'ball-then-box' },
    batches: 'alternating',
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
  model: gapNetwork(),
  dataset: corners(),
  epochs: 2,
  batchSize: 10,
  learningRate: 0.01,
  optimizer: adam(),
  ...over,
});

const weightsOf = (model: ModelDescription) =>
  Object.fromEntries([...model.graph.initializers].map(([name, { data }]) => [name, data]));

/** Keeps what the training stores after each epoch. */
function recorder(saved: Checkpoint[] = []): CheckpointStore & { saved: Checkpoint[] } {
  return {
    saved,
    load: async () => saved.at(-1) && structuredClone(saved.at(-1)),
    save: async (checkpoint) => {
      saved.push(structuredClone(checkpoint));
    },
  };
}

describe.each(Object.entries(methods))('%s', (name, method) => {
  it('is plain data', () => {
    expect(JSON.parse(JSON.stringify(method))).toEqual(method);
  });

  it('ends the same, bit for bit, from what it stored after its first epoch, and frees what it held', async () => {
    const { runtime: watched, live } = trackTensors(runtime);
    const all = options({ method, runtime: watched, model: gapNetwork({ batchNorm: !name.includes('Boopathy') }) });
    const { saved, ...checkpoints } = recorder();
    const whole = await train({ ...all, checkpoints });
    expect(saved.map(({ epoch }) => epoch)).toEqual([1, 2]);
    const resumed = await train({ ...all, checkpoints: recorder([saved[0]!]) });
    expect(weightsOf(resumed.last)).toEqual(weightsOf(whole.last));
    expect(weightsOf(whole.last)).not.toEqual(weightsOf(all.model));
    for (const data of Object.values(weightsOf(whole.last)))
      expect(Array.from(data, Number).every(Number.isFinite)).toBe(true);
    expect(live.size).toBe(0);
  });
});

it.each(['adversarial', 'free', 'MART, weights perturbed'])('%s frees what it held when it is killed', async (name) => {
  const { runtime: watched, live } = trackTensors(runtime);
  const onEpoch = () => {
    throw new Error('killed');
  };
  const killed = train(options({ method: methods[name]!, runtime: watched, onEpoch, model: gapNetwork({}) }));
  await expect(killed).rejects.toThrow('killed');
  expect(live.size).toBe(0);
});
