import { emptyGraph, GraphBuilder, gradient, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Program, Runtime } from '../runtime/runtime.ts';
import { dlr, targetedDlr } from './dlr.ts';

const COUNT = 64;
const CLASSES = 6;
const SHAPE = [COUNT, CLASSES];
let runtime: Runtime;
let program: Program;

beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  const g = new GraphBuilder(emptyGraph('dlr'));
  const [logits, label, target] = ['logits', 'label', 'target'].map((name) => g.input(name, 'float32', SHAPE));
  const values = { dlr: dlr(g, logits!, label!), targeted: targetedDlr(g, logits!, label!, target!) };
  for (const [name, value] of Object.entries(values)) {
    g.output(value, name);
    g.output(gradient(g, { of: value, wrt: [logits!] })[0]!, `${name}_gradient`);
  }
  program = await runtime.compile(writeModel(g.graph));
});
afterAll(() => runtime.close());

const label = (n: number) => n % CLASSES;
const target = (n: number) => (n + 1 + (n % 3)) % CLASSES;
const hot = (of: (n: number) => number) =>
  Float32Array.from({ length: COUNT * CLASSES }, (_, i) => Number(of(Math.floor(i / CLASSES)) === i % CLASSES));

async function evaluate(logits: Float32Array) {
  const feed = (data: Float32Array) => ({ dtype: 'float32' as const, shape: SHAPE, data });
  const { fetched } = await program.run({ logits: feed(logits), label: feed(hot(label)), target: feed(hot(target)) });
  return (name: string) => fetched[name]!.data as Float32Array;
}

const random = (scale: number) => {
  const data = new Float32Array(COUNT * CLASSES);
  createRandom(3, 'logits').fillNormal(data, 0, scale);
  return data;
};
const row = (data: Float32Array, n: number) => [...data.subarray(n * CLASSES, (n + 1) * CLASSES)];

/** Value and gradient of (z_rival − z_y) / (Σ weight · sorted logits), in double precision. */
function quotient(z: number[], y: number, rival: number, weights: readonly number[]) {
  const order = [...z.keys()].sort((a, b) => z[b]! - z[a]!);
  const below = weights.reduce((sum, w, k) => sum + w * z[order[k]!]!, 0);
  const value = (z[rival]! - z[y]!) / below;
  const slope = z.map((_, k) => Number(k === rival) - Number(k === y));
  return {
    value,
    gradient: slope.map((s, k) => (s - value * (weights[order.indexOf(k)] ?? 0)) / below),
  };
}

it('is equations 6 and 7 of Croce & Hein 2020, with their gradients', async () => {
  const logits = random(1);
  const found = await evaluate(logits);
  for (let n = 0; n < COUNT; n++) {
    const z = row(logits, n);
    const others = z.map((value, k) => (k === label(n) ? Number.NEGATIVE_INFINITY : value));
    const expected = {
      dlr: quotient(z, label(n), others.indexOf(Math.max(...others)), [1, 0, -1]),
      targeted: quotient(z, label(n), target(n), [1, 0, -0.5, -0.5]),
    };
    for (const [name, { value, gradient: slope }] of Object.entries(expected)) {
      const scale = Math.max(1, ...slope.map(Math.abs), Math.abs(value));
      expect(Math.abs(found(name)[n]! - value) / scale).toBeLessThan(1e-6);
      const error = row(found(`${name}_gradient`), n).map((s, k) => Math.abs(s - slope[k]!) / scale);
      expect(Math.max(...error)).toBeLessThan(2e-6);
    }
  }
});

it.each([2 ** 20, 2 ** -30, 2 ** 7])('is the same to the last bit when the logits are scaled by %f', async (factor) => {
  const logits = random(1);
  const [one, scaled] = [await evaluate(logits), await evaluate(logits.map((z) => z * factor))];
  for (const name of ['dlr', 'targeted']) expect(scaled(name)).toEqual(one(name));
});

describe('ties', () => {
  it.each<[string, (n: number, k: number) => number]>([
    ['all logits equal', () => 3],
    ['the three largest equal', (n, k) => ((k + n) % CLASSES < 3 ? 2 : -k)],
    ['the four largest equal', (n, k) => ((k + n) % CLASSES < 4 ? 2 : -k)],
    ['two values only', (n, k) => Number((k + n) % 2)],
  ])('leave value and gradient finite, and the true class the lowest slope: %s', async (_, rule) => {
    const logits = Float32Array.from({ length: COUNT * CLASSES }, (_, i) => rule(Math.floor(i / CLASSES), i % CLASSES));
    const found = await evaluate(logits);
    for (const name of ['dlr', 'targeted', 'dlr_gradient', 'targeted_gradient'])
      expect(found(name).every(Number.isFinite)).toBe(true);
    for (let n = 0; n < COUNT; n++) {
      if (found('targeted')[n] !== 0) continue;
      expect(row(found('targeted_gradient'), n)[label(n)]).toBeLessThan(0);
      expect(row(found('targeted_gradient'), n)[target(n)]).toBeGreaterThan(0);
    }
  });
});

it('needs three classes, and targeted four', () => {
  const g = new GraphBuilder(emptyGraph('few'));
  const [two, three] = [g.input('two', 'float32', [1, 2]), g.input('three', 'float32', [1, 3])];
  expect(() => dlr(g, two, two)).toThrow('DLR compares 3 classes, but the model has 2: use the margin');
  expect(() => targetedDlr(g, three, three, three)).toThrow('targeted DLR compares 4 classes, but the model has 3');
});
