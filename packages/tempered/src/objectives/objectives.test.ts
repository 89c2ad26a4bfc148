import { emptyGraph, GraphBuilder, gradient, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type ObjectiveName, objectives } from './objectives.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

async function evaluate(name: ObjectiveName, logits: readonly number[], target: number) {
  const shape = [1, logits.length];
  const g = new GraphBuilder(emptyGraph(name));
  const [z, t] = [g.input('z', 'float32', shape), g.input('t', 'float32', shape)];
  const value = objectives[name].build(g, z, t);
  const [dz] = gradient(g, { of: value, wrt: [z] });
  g.output(value, 'value');
  g.output(dz!, 'gradient');
  const program = await runtime.compile(writeModel(g.graph));
  const { fetched } = await program.run({
    z: { dtype: 'float32', shape, data: Float32Array.from(logits) },
    t: { dtype: 'float32', shape, data: Float32Array.from(logits, (_, k) => Number(k === target)) },
  });
  expect(fetched.value!.shape).toEqual([1]);
  return { value: Number(fetched.value!.data[0]), gradient: Array.from(fetched.gradient!.data, Number) };
}

/** Softmax in double precision. */
function probabilities(logits: readonly number[]): number[] {
  const top = Math.max(...logits);
  const total = logits.reduce((sum, z) => sum + Math.exp(z - top), 0);
  return logits.map((z) => Math.exp(z - top) / total);
}

/** Closed forms of each objective and of its gradient. */
const closedForms: Record<
  ObjectiveName,
  (logits: readonly number[], target: number) => { value: number; gradient: number[] }
> = {
  'cross-entropy': (logits, target) => {
    const top = Math.max(...logits);
    const total = logits.reduce((sum, z) => sum + Math.exp(z - top), 0);
    return {
      value: Math.log(total) + top - logits[target]!,
      gradient: probabilities(logits).map((p, k) => p - Number(k === target)),
    };
  },
  margin: (logits, target) => {
    const others = logits.map((z, k) => (k === target ? Number.NEGATIVE_INFINITY : z));
    const rival = others.indexOf(Math.max(...others));
    return {
      value: logits[rival]! - logits[target]!,
      gradient: logits.map((_, k) => Number(k === rival) - Number(k === target)),
    };
  },
  dlr: (logits, target) => {
    const { value, gradient } = closedForms.margin(logits, target);
    const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]!);
    const [first, third] = [order[0]!, order[2]!];
    const spread = logits[first]! - logits[third]! || 1;
    return {
      value: value / spread,
      gradient: gradient.map(
        (g, k) => g / spread - (value / spread ** 2) * (Number(k === first) - Number(k === third)),
      ),
    };
  },
  'hinge-50': (logits, target) => hinge(logits, target, 50, -1e4),
  'hinge-500-zero': (logits, target) => hinge(logits, target, 500, 0),
  logit: (logits, target) => ({ value: logits[target]!, gradient: logits.map((_, k) => Number(k === target)) }),
  probability: (logits, target) => {
    const p = probabilities(logits);
    return { value: p[target]!, gradient: p.map((pk, k) => p[target]! * (Number(k === target) - pk)) };
  },
};

function hinge(logits: readonly number[], target: number, width: number, ownSlot: number) {
  const slots = logits.map((z, k) => (k === target ? ownSlot : z));
  const rival = slots.indexOf(Math.max(...slots));
  const active = logits[target]! - slots[rival]! + width > 0;
  return {
    value: active ? -(logits[target]! - slots[rival]! + width) : 0,
    gradient: logits.map((_, k) => (active ? Number(k === rival && rival !== target) - Number(k === target) : 0)),
  };
}

const names = Object.keys(objectives) as ObjectiveName[];
const examples: [string, number[], number][] = [
  ['target ahead', [2, -1, 0.5, 0.25], 0],
  ['target behind', [2, -1, 0.5, 0.25], 1],
  ['nearly tied', [1, 1.0001, -3], 0],
  ['all equal', [0, 0, 0], 2],
  ['large, target ahead', [1e4, -1e4, 0], 0],
  ['large, target behind', [1e4, -1e4, 0], 1],
  ['large and equal', [1e4, 1e4 - 1, -1e4], 1],
];

describe.each(names)('%s', (name) => {
  it.each(examples)('has the closed form: %s', async (label, logits, target) => {
    const found = await evaluate(name, logits, target);
    const expected = closedForms[name](logits, target);
    const scale = Math.max(1, Math.abs(expected.value));
    expect(Math.abs(found.value - expected.value) / scale).toBeLessThan(1e-6);
    // Of equal rivals any one, or a share of each, is a subgradient of the margin.
    if (name === 'hinge-500-zero' && (label === 'all equal' || label === 'large, target ahead')) {
      // The slot of the true class ties with a logit of 0.
      expect(found.gradient[target]).toBe(-1);
    } else if ((name === 'margin' || name === 'dlr' || name === 'hinge-50') && label === 'all equal') {
      expect(found.gradient.reduce((a, b) => a + b)).toBeCloseTo(0, 6);
      expect(found.gradient[target]).toBe(-1);
    } else {
      const error = Math.max(...found.gradient.map((value, k) => Math.abs(value - expected.gradient[k]!)));
      expect(error).toBeLessThan(1e-6);
    }
  });

  it('moves as it says it does when the prediction leaves the class', async () => {
    const near = await evaluate(name, [1, 0, -1], 0);
    const far = await evaluate(name, [0, 1, -1], 0);
    expect(Math.sign(far.value - near.value)).toBe(objectives[name].rises === 'away' ? 1 : -1);
  });
});
