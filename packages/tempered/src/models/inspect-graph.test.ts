import { describe, expect, it, test } from 'vitest';
import { inspectGraph } from './inspect-graph.ts';
import { readModel, writeModelFile } from './load.ts';
import {
  noisyInput,
  roundedActivations,
  scaledLogits,
  softmaxFunction,
  softmaxOutput,
  spelledSoftmax,
  wavyInput,
} from './testing/masked-models.ts';
import { modelOf, networkModel } from './testing/small-models.ts';

const plain = networkModel({ inputShape: [1, 4, 4], classes: 5, activation: 'Relu', bias: true });
const names = (found: readonly { node: string }[]) => found.map(({ node }) => node);

test('nothing is found in a plain network', () => {
  for (const model of [plain, scaledLogits(plain, 10)]) {
    const { tail, isNormalized, ...rest } = inspectGraph(model);
    expect(tail.kind).toBe('logits');
    expect(isNormalized).toBe(false);
    expect(rest).toEqual({
      hasGradient: true,
      cuts: [],
      oscillations: [],
      clips: [],
      random: [],
      batchStatistics: [],
      quantized: [],
    });
  }
});

describe('the end of a model', () => {
  test.each([
    ['Softmax', softmaxOutput(plain)],
    ['spelled out', spelledSoftmax(plain, false)],
    ['spelled out, the largest score taken off', spelledSoftmax(plain, true)],
    ['in a function', softmaxFunction(plain)],
    ['a softmax twice', softmaxFunction(softmaxOutput(plain))],
    ['times a number', scaledLogits(softmaxOutput(plain), 100)],
  ])('softmax: %s', (_, model) => {
    const { tail } = inspectGraph(model);
    expect(tail).toEqual({ kind: 'softmax', logits: 'logits.before' });
  });

  const ended = (write: Parameters<typeof modelOf>[2]) => inspectGraph(modelOf([6], 6, write)).tail;
  test.each<[string, string, Parameters<typeof modelOf>[2]]>([
    ['LogSoftmax', 'log-softmax', (g, x) => g.op('LogSoftmax', [x], { axis: 1 })],
    ['exp of LogSoftmax', 'softmax', (g, x) => g.exp(g.op('LogSoftmax', [x], { axis: 1 }))],
    ['z − log Σ exp z', 'log-softmax', (g, x) => g.sub(x, g.log(g.reduceSum(g.exp(x), [1], true)))],
    ['log of Softmax', 'softmax', (g, x) => g.log(g.offset(g.op('Softmax', [x], { axis: 1 }), 1e-7))],
    [
      'e · (1 / Σ e)',
      'softmax',
      (g, x) => {
        const e = g.exp(x);
        return g.mul(e, g.op('Reciprocal', [g.reduceSum(e, [1], true)]));
      },
    ],
    ['Sigmoid', 'sigmoid', (g, x) => g.sigmoid(x)],
    ['1 / (1 + exp(−z))', 'sigmoid', (g, x) => g.div(g.constant(1), g.offset(g.exp(g.neg(x)), 1))],
    ['Tanh', 'tanh', (g, x) => g.tanh(x)],
  ])('%s', (_, kind, write) => {
    expect(ended((g, x) => write(g, g.rename(g.relu(x), 'scores')))).toEqual({ kind, logits: 'scores' });
  });

  it('a division that is no softmax is none', () => {
    expect(ended((g, x) => g.div(x, g.offset(g.reduceSum(g.abs(x), [1], true), 1))).kind).toBe('logits');
  });
});

describe('what passes no gradient on', () => {
  it('rounding is named, with the way round it', () => {
    const { cuts, hasGradient } = inspectGraph(roundedActivations(plain));
    expect(names(cuts)).toHaveLength(1);
    expect(cuts[0]!.node).toMatch(/^Round node '.*rounded'$/);
    expect(cuts[0]!.detour!.from).toMatch(/scaled$/);
    expect(cuts[0]!.detour!.to).toMatch(/rounded$/);
    expect(hasGradient).toBe(false);
  });

  it('every one of several is named, although nothing reaches the later ones', () => {
    const twice = modelOf([6], 6, (g, x) => {
      const first = g.rename(g.op('Round', [g.scale(x, 9)]), 'first');
      const second = g.rename(g.op('Floor', [g.scale(first, 0.3)]), 'second');
      return g.scale(g.cast(g.greater(second, g.constant(0.5)), 'float32'), 3);
    });
    const { cuts, hasGradient } = inspectGraph(twice);
    expect(cuts.map(({ op }) => op)).toEqual(['Round', 'Floor', 'Greater']);
    expect(hasGradient).toBe(false);
  });

  it('a cast to integers and back', () => {
    const model = modelOf([6], 6, (g, x) => g.add(g.cast(g.cast(g.scale(x, 255), 'int32'), 'float32'), g.constant(1)));
    const { cuts } = inspectGraph(model);
    expect(cuts.map(({ op }) => op)).toEqual(['Cast']);
    expect(cuts[0]!.detour).toBeDefined();
  });

  it('a comparison counts where it is all that the scores depend on, and not as a mask', () => {
    const mask = modelOf([6], 6, (g, x) => g.mul(x, g.cast(g.greater(x, g.constant(0.5)), 'float32')));
    expect(inspectGraph(mask).cuts).toEqual([]);
    const binary = modelOf([6], 6, (g, x) => g.scale(g.cast(g.greater(x, g.constant(0.5)), 'float32'), 3));
    expect(inspectGraph(binary).cuts.map(({ op }) => op)).toEqual(['Greater']);
  });

  it('quantisation is not a cut: its gradient is taken straight through', () => {
    const model = modelOf([6], 6, (g, x) => {
      const q = g.op('QuantizeLinear', [
        x,
        g.constant(0.1),
        g.tensor({ dtype: 'uint8', shape: [], data: Uint8Array.of(0) }),
      ]);
      return g.op('DequantizeLinear', [
        q,
        g.constant(0.1),
        g.tensor({ dtype: 'uint8', shape: [], data: Uint8Array.of(0) }),
      ]);
    });
    const { cuts, quantized, hasGradient } = inspectGraph(model);
    expect([cuts.length, quantized.length, hasGradient]).toEqual([0, 1, true]);
  });
});

test('noise, Dropout in training mode, waves, clipping, batch statistics and normalisation', () => {
  expect(names(inspectGraph(noisyInput(plain, 0.1)).random)).toEqual(["RandomNormal node 'noise'"]);
  const wave = inspectGraph(wavyInput(plain, 0.01, 500)).oscillations;
  expect(wave).toEqual([{ node: "Sin node 'wave'", op: 'Sin', detour: { to: 'wave' }, isBypassed: true }]);
  const clip = modelOf([6], 6, (g, x) => g.op('Clip', [g.scale(x, 2), g.constant(0), g.constant(1)]));
  expect(inspectGraph(clip).clips[0]).toMatchObject({ low: 0, high: 1 });

  const dropout = { ...plain, graph: { ...plain.graph, initializers: new Map(plain.graph.initializers) } };
  dropout.graph.initializers.set('on', { dtype: 'bool', shape: [], data: Uint8Array.of(1) });
  dropout.graph.nodes = dropout.graph.nodes.map((at) =>
    at.op === 'Relu' ? { ...at, op: 'Dropout', name: 'drop', inputs: [at.inputs[0]!, '', 'on'] } : at,
  );
  expect(names(inspectGraph(dropout).random)).toEqual(["Dropout node 'drop' in training mode"]);

  const statistics = modelOf([3, 2, 2], 3, (g, x) => {
    const ones = () =>
      g.parameter(`p${g.graph.initializers.size}`, { dtype: 'float32', shape: [3], data: new Float32Array(3).fill(1) });
    const [y] = g.node('BatchNormalization', [x, ones(), ones(), ones(), ones()], { training_mode: 1 }, 3);
    return g.reduceMean(y!, [2, 3]);
  });
  expect(inspectGraph(statistics).batchStatistics).toHaveLength(1);

  const normalized = readModel(writeModelFile(plain), { mean: [0.5], std: [0.25] });
  expect(inspectGraph(normalized).isNormalized).toBe(true);
});
