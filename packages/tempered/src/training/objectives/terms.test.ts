/** @file Each term and its gradients at logits and maps, against double precision and its central differences. */
import { emptyGraph, GraphBuilder, gradient, type Value, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../random.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Program, Runtime } from '../../runtime/runtime.ts';
import { type ReferencePass, termAt } from '../testing/reference.ts';
import type { At, Pass } from './context.ts';
import { type Term, termWeights, writeTerms } from './terms.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const CLASSES = 4;
const SHAPES = { logits: [2, CLASSES], maps: [2, CLASSES, 2, 3] } as const;
const PARTS = ['clean logits', 'adversarial logits', 'clean maps', 'adversarial maps'] as const;
type Part = (typeof PARTS)[number];
const sizeOfPart = (part: Part) => (part.endsWith('logits') ? 2 * CLASSES : 2 * CLASSES * 6);

const terms: Record<string, Term> = {
  'cross-entropy, clean': { name: 'cross-entropy', at: 'clean' },
  'cross-entropy, adversarial': { name: 'cross-entropy', at: 'adversarial' },
  margin: { name: 'margin', at: 'adversarial' },
  'margin with confidence': { name: 'margin', at: 'clean', confidence: 1 },
  'margin of Kim et al.': { name: 'margin', at: 'adversarial', confidence: 500, rival: 'other or 0' },
  'boosted cross-entropy': { name: 'boosted-cross-entropy', at: 'adversarial' },
  divergence: { name: 'divergence' },
  'divergence, weighted': { name: 'divergence', weighting: 'doubt' },
  'discrepancy of all classes': { name: 'discrepancy', classes: 'all', form: 'code' },
  'discrepancy of all classes, paper': { name: 'discrepancy', classes: 'all', form: 'paper' },
  'discrepancy of the true class': { name: 'discrepancy', classes: 'true', form: 'code' },
  'discrepancy of the true class, paper': { name: 'discrepancy', classes: 'true', form: 'paper' },
};

function compile(term: Term): Promise<Program> {
  const g = new GraphBuilder(emptyGraph(term.name));
  const inputs = Object.fromEntries(
    PARTS.map((part) => [part, g.input(part, 'float32', part.endsWith('logits') ? SHAPES.logits : SHAPES.maps)]),
  ) as Record<Part, Value>;
  const target = g.input('target', 'float32', SHAPES.logits);
  const pass = (at: At): Pass => ({
    x: inputs[`${at} logits`],
    logits: inputs[`${at} logits`],
    maps: inputs[`${at} maps`],
  });
  const value = writeTerms(
    {
      g,
      target,
      softTarget: target,
      passes: { clean: pass('clean'), adversarial: pass('adversarial') },
      apply: () => {
        throw new Error('no term here runs the model again');
      },
    },
    [term],
  );
  const gradients = gradient(g, { of: value, wrt: PARTS.map((part) => inputs[part]) });
  g.output(value, 'value');
  PARTS.forEach((part, i) => {
    g.output(gradients[i]!, `slope of ${part}`);
  });
  return runtime.compile(writeModel(g.graph));
}

type Parts = Record<Part, Float32Array>;

const LABELS = [2, 0];

async function run(term: Term, parts: Parts) {
  const program = await compile(term);
  const feeds = PARTS.map((part) => {
    const shape = part.endsWith('logits') ? SHAPES.logits : SHAPES.maps;
    return [part, { dtype: 'float32' as const, shape, data: parts[part] }] as const;
  });
  const oneHot = new Float32Array(2 * CLASSES);
  LABELS.forEach((label, i) => {
    oneHot[i * CLASSES + label] = 1;
  });
  const target = { dtype: 'float32' as const, shape: SHAPES.logits, data: oneHot };
  const { fetched } = await program.run({ ...Object.fromEntries(feeds), target });
  program.release();
  const numbers = (name: string) => Array.from(fetched[name]!.data, Number);
  return { value: numbers('value'), slope: (part: Part) => numbers(`slope of ${part}`) };
}

/** The sum over both images, and each image's term. */
function reference(term: Term, parts: Record<Part, ArrayLike<number>>): number[] {
  return LABELS.map((label, i) => {
    const passAt = (at: At): ReferencePass => {
      const logits = Array.from(parts[`${at} logits`]).slice(i * CLASSES, (i + 1) * CLASSES);
      const all = Array.from(parts[`${at} maps`]).slice(i * CLASSES * 6, (i + 1) * CLASSES * 6);
      return { x: logits, logits, maps: logits.map((_, k) => all.slice(k * 6, k * 6 + 6)) };
    };
    const batch = { size: 2, slope: () => [] };
    return termAt(term, { clean: passAt('clean'), adversarial: passAt('adversarial') }, label, batch);
  });
}

const random = (scale: number, seed: number): Parts => {
  const draw = (part: Part) => {
    const data = new Float32Array(sizeOfPart(part));
    createRandom(seed, part).fillNormal(data, 0, scale);
    return data;
  };
  return {
    'clean logits': draw('clean logits'),
    'adversarial logits': draw('adversarial logits'),
    'clean maps': draw('clean maps'),
    'adversarial maps': draw('adversarial maps'),
  };
};

const points: [string, Parts][] = [
  ['small numbers', random(0.3, 1)],
  ['numbers around 1', random(1, 2)],
  ['predictions of some certainty', random(4, 3)],
];

describe.each(Object.entries(terms))('%s', (_, term) => {
  it.each(points)('is its formula, and its gradients are its slopes: %s', async (_, parts) => {
    const found = await run(term, parts);
    const expected = reference(term, parts);
    const scale = Math.max(1, ...expected.map(Math.abs));
    found.value.forEach((value, i) => {
      expect(Math.abs(value - expected[i]!) / scale).toBeLessThan(1e-6);
    });
    for (const part of PARTS) {
      const exact: Record<Part, Float64Array | Float32Array> = { ...parts, [part]: Float64Array.from(parts[part]) };
      const slopes = found.slope(part);
      const largest = Math.max(1, ...slopes.map(Math.abs));
      slopes.forEach((slope, i) => {
        const at = (offset: number) => {
          const moved = Float64Array.from(parts[part]);
          moved[i]! += offset;
          return reference(term, { ...exact, [part]: moved }).reduce((a, b) => a + b, 0);
        };
        const difference = (at(1e-5) - at(-1e-5)) / 2e-5;
        expect(Math.abs(slope - difference) / largest).toBeLessThan(1e-6);
      });
    }
  });
});

const still = (scale: number): Parts => {
  const { 'clean logits': logits, 'clean maps': maps } = random(scale, 5);
  return { 'clean logits': logits, 'adversarial logits': logits, 'clean maps': maps, 'adversarial maps': maps };
};

describe('at unchanged images', () => {
  it.each([1, 30])('the divergence is 0 and so are its gradients (logits of size %i)', async (scale) => {
    const found = await run({ name: 'divergence' }, still(scale));
    for (const value of [...found.value, ...found.slope('adversarial logits'), ...found.slope('clean logits')])
      expect(Math.abs(value)).toBeLessThan(2e-7);
  });

  it.each(['all', 'true'] as const)('the discrepancy of %s classes is 0, with a slope of 0', async (classes) => {
    const found = await run({ name: 'discrepancy', classes, form: 'code' }, still(1));
    expect(found.value).toEqual([0, 0]);
    for (const part of PARTS) expect(found.slope(part).every((slope) => slope === 0)).toBe(true);
  });
});

describe('certain predictions', () => {
  // exp overflows at 89, and 1 − p is 0 in single precision from a lead of 17.
  it.each(Object.entries(terms))('leave %s finite', async (_, term) => {
    const parts = random(1, 4);
    parts['clean logits'].set([300, 0, -300, 0, 60, 0, 0, 0]);
    parts['adversarial logits'].set([0, 300, 0, 0, 0, 40, 40, -200]);
    const found = await run(term, parts);
    const expected = reference(term, parts);
    found.value.forEach((value, i) => {
      if (Number.isFinite(expected[i]))
        expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-6 * Math.max(1, Math.abs(expected[i]!)));
      else expect(value).toBeGreaterThan(30);
    });
    for (const part of PARTS) expect(found.slope(part).every(Number.isFinite)).toBe(true);
  });
});

it('gives weights with a ramp their value at a time', () => {
  const ramped: Term = { name: 'divergence', weight: 6, ramp: { from: 10, until: 20, unit: 'steps' } };
  const weights = (step: number) =>
    termWeights([{ name: 'cross-entropy', at: 'clean' }, ramped], { step, stepsPerEpoch: 5, epochs: 10 });
  expect([0, 10, 15, 20, 40].map(weights)).toEqual([0, 0, 3, 6, 6].map((weight_1) => ({ weight_1 })));
});
