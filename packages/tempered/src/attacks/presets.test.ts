import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { affineModel, noiseImages } from '../models/testing/small-models.ts';
import { randomStart } from '../optimize/optimize-input.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows } from '../tensor.ts';
import { perturb } from './attack.ts';
import type { Pgd } from './pgd.ts';
import {
  bluffFgsm,
  bluffPgd,
  boopathy2020Evaluation,
  boopathy2020Training,
  boychev2023,
  kang2019Pgd,
  kim2019,
  mnistManipulation,
  presets,
  robustnessLibrary,
  type StudyAttack,
  sidnExercise,
  zhang2019,
  zhang2019Fgsm,
} from './presets.ts';

const SHAPE = [1, 4, 4];
const SIZE = 16;
const COUNT = 6;
const WEIGHTS = Array.from({ length: 3 }, (_, k) =>
  Array.from({ length: SIZE }, (_, i) => Math.sin(1 + 3 * k + 5 * i)),
);
const images = noiseImages(COUNT, SHAPE, 9);
const labels = Int32Array.from({ length: COUNT }, (_, i) => i % 3);
const targets = labels.map((k) => (k + 1) % 3);

let runtime: Runtime;
let classifier: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  classifier = new Classifier(affineModel(SHAPE, WEIGHTS), runtime);
});
afterAll(() => runtime.close());

type Vector = readonly number[];
const clip = (x: Vector, low = 0, high = 1) => x.map((value) => Math.min(high, Math.max(low, value)));
const length = (x: Vector) => Math.hypot(...x);
const plus = (x: Vector, y: Vector, factor = 1) => x.map((value, i) => value + factor * y[i]!);
const toUnit = (x: Vector) => x.map((value) => (value + 1) / 2);
const fromUnit = (x: Vector) => x.map((value) => 2 * value - 1);

function logitsAt(x: Vector) {
  return WEIGHTS.map((row) => row.reduce((sum, w, i) => sum + w * x[i]!, 0));
}

/** Gradient of a loss of the logits by the pixels, from its slopes by the logits. */
const pulled = (slopes: Vector) =>
  WEIGHTS[0]!.map((_, i) => slopes.reduce((sum, s, k) => sum + s * WEIGHTS[k]![i]!, 0));

function crossEntropySlopes(x: Vector, label: number) {
  const logits = logitsAt(x);
  const exponentials = logits.map((z) => Math.exp(z - Math.max(...logits)));
  const total = exponentials.reduce((a, b) => a + b);
  return exponentials.map((e, k) => e / total - Number(k === label));
}
const crossEntropy = (x: Vector, label: number) => pulled(crossEntropySlopes(x, label));

/** −relu(f_y − w + 500), w = max_k (1 − onehot)_k f_k. */
function cw000(x: Vector, label: number) {
  const slots = logitsAt(x).map((z, k) => (k === label ? 0 : z));
  const rival = slots.indexOf(Math.max(...slots));
  return pulled(slots.map((_, k) => Number(k === rival && k !== label) - Number(k === label)));
}

/** −relu(f_y − max_{j≠y} f_j + 50). */
function cw002(x: Vector, label: number) {
  const slots = logitsAt(x).map((z, k) => (k === label ? -1e4 : z));
  const rival = slots.indexOf(Math.max(...slots));
  return pulled(slots.map((_, k) => Number(k === rival) - Number(k === label)));
}

const signs = (x: Vector) => x.map(Math.sign);
const renormed = (delta: Vector, epsilon: number) => delta.map((d) => d * Math.min(1, epsilon / length(delta)));

/** One step of a study in its own words: x and x0 on its own scale. */
type Rule = (x: Vector, x0: Vector, label: number, target: number) => Vector;

interface Case {
  preset: StudyAttack;
  rule: Rule;
  /** How many steps the returned image has taken. */
  steps: number;
  /** From [0, 1] to the scale of the study and back. */
  scale?: [(x: Vector) => Vector, (x: Vector) => Vector];
  targeted?: boolean;
}

const MINUS_ONE_TO_ONE: Case['scale'] = [fromUnit, toUnit];

const kimL2 =
  (slopes: (x: Vector, label: number) => Vector): Rule =>
  (x, x0, label) => {
    const g = slopes(toUnit(x), label);
    const moved = plus(x, g, 2 / (length(g) + 1e-8));
    const delta = plus(moved, x0, -1);
    const radius = Math.min(1, length(delta));
    return clip(plus(x0, delta, radius / (length(delta) + 1e-8)), -1, 1);
  };

const l2Step =
  (size: number, epsilon: number, sign: 1 | -1 = 1): Rule =>
  (x, x0, label, target) => {
    const g = crossEntropy(x, sign === 1 ? label : target);
    return clip(plus(x0, renormed(plus(plus(x, g, (sign * size) / (length(g) + 1e-10)), x0, -1), epsilon)));
  };

const linfStep =
  (size: number, epsilon: number): Rule =>
  (x, x0, label) =>
    clip(
      plus(x, signs(crossEntropy(x, label)), size).map((v, i) =>
        Math.min(Math.max(v, x0[i]! - epsilon), x0[i]! + epsilon),
      ),
    );

const mnistStep =
  (slopes: (x: Vector, label: number) => Vector): Rule =>
  (x, x0, label) => {
    const moved = plus(x, signs(slopes(x, label)), 0.01);
    const delta = plus(moved, x0, -1);
    const r = length(delta);
    return clip(plus(moved, delta, -Math.max(r - Math.sqrt(20), 0) / r));
  };

const zhangL2 =
  (scale: (delta: Vector) => number): Rule =>
  (x, x0, label) => {
    const delta = plus(plus(x, signs(crossEntropy(x, label)), 0.5 / (2 * 255)), x0, -1);
    return clip(plus(x0, delta, scale(delta)));
  };

const cases: Record<string, Case> = {
  'kim2019, l2': {
    preset: kim2019({ norm: 'l2', epsilon: 1 }),
    rule: kimL2(crossEntropy),
    steps: 40,
    scale: MINUS_ONE_TO_ONE,
  },
  'kim2019, l2, training loss': {
    preset: kim2019({ norm: 'l2', epsilon: 1, loss: 'hinge-500-zero' }),
    rule: kimL2(cw000),
    steps: 40,
    scale: MINUS_ONE_TO_ONE,
  },
  'kim2019, linf': {
    preset: kim2019({ norm: 'linf', epsilon: 0.1 }),
    rule: (x, x0, label) =>
      clip(
        plus(x, signs(crossEntropy(toUnit(x), label)), 0.02).map((v, i) =>
          Math.min(Math.max(v, x0[i]! - 0.1), x0[i]! + 0.1),
        ),
        -1,
        1,
      ),
    steps: 40,
    scale: MINUS_ONE_TO_ONE,
  },
  'zhang2019, linf': { preset: zhang2019({ norm: 'linf', epsilon: 8 }), rule: linfStep(4 / 255, 8 / 255), steps: 20 },
  'zhang2019, l2': {
    preset: zhang2019({ norm: 'l2', epsilon: 0.5 }),
    rule: zhangL2((delta) => Math.min(1, 0.5 / length(delta))),
    steps: 20,
  },
  'zhang2019, l2 on the sphere': {
    preset: zhang2019({ norm: 'l2', epsilon: 0.5, sphere: true }),
    rule: zhangL2((delta) => 0.5 / length(delta)),
    steps: 20,
  },
  zhang2019Fgsm: { preset: zhang2019Fgsm({ epsilon: 8 }), rule: linfStep(8 / 255, 8 / 255), steps: 1 },
  boopathy2020Evaluation: {
    preset: boopathy2020Evaluation({ epsilon: 0.008, steps: 3 }),
    rule: linfStep(0.01, 0.008),
    steps: 3,
  },
  boopathy2020Training: {
    preset: boopathy2020Training({ epsilon: 0.3, steps: 4 }),
    rule: linfStep(0.01, 0.3),
    steps: 4,
  },
  mnistManipulation: { preset: mnistManipulation({ steps: 6 }), rule: mnistStep(crossEntropy), steps: 6 },
  'mnistManipulation, cw': {
    preset: mnistManipulation({ steps: 6, loss: 'hinge-50' }),
    rule: mnistStep(cw002),
    steps: 6,
  },
  'mnistManipulation, target class': {
    preset: mnistManipulation({ steps: 6, loss: 'logit', randomStart: false }),
    rule: (x, x0, _, target) => mnistStep(() => WEIGHTS[target]!)(x, x0, 0, 0),
    steps: 6,
    targeted: true,
  },
  sidnExercise: { preset: sidnExercise({ steps: 5 }), rule: l2Step(0.5, 1.25, -1), steps: 5, targeted: true },
  'robustnessLibrary, l2': {
    preset: robustnessLibrary({ norm: 'l2', epsilon: 0.5, steps: 5, stepSize: 0.05 }),
    rule: l2Step(0.05, 0.5),
    steps: 5,
  },
  'robustnessLibrary, linf': {
    preset: robustnessLibrary({ norm: 'linf', epsilon: 0.1, steps: 5 }),
    rule: linfStep(0.05, 0.1),
    steps: 5,
  },
  'robustnessLibrary, random start': {
    preset: robustnessLibrary({
      norm: 'l2',
      epsilon: 0.5,
      steps: 2,
      stepSize: 0.05,
      randomStart: true,
      useBest: false,
    }),
    rule: l2Step(0.05, 0.5),
    steps: 2,
  },
  // The loss rises from step to step: the best iterate looked at is the one before the last.
  boychev2023: { preset: boychev2023({ steps: 4 }), rule: l2Step(0.1, 0.5), steps: 3 },
  'boychev2023, last': { preset: boychev2023({ steps: 4, useBest: false }), rule: l2Step(0.1, 0.5), steps: 3 },
  bluffPgd: {
    preset: bluffPgd({ strength: 0.5 }),
    rule: (x, x0, _, target) => {
      const g = crossEntropy(toUnit(x), target);
      return clip(plus(x0, renormed(plus(plus(x, g, -0.1 / length(g)), x0, -1), 0.5)), -1, 1);
    },
    steps: 50,
    scale: MINUS_ONE_TO_ONE,
    targeted: true,
  },
  bluffFgsm: {
    preset: bluffFgsm({ strength: 0.1 }),
    rule: (x, _, label) => clip(plus(x, signs(crossEntropy(toUnit(x), label)), 0.1), -1, 1),
    steps: 1,
    scale: MINUS_ONE_TO_ONE,
  },
};

describe('each preset follows the rule of its study', () => {
  it.each(Object.entries(cases))('%s', async (_, { preset, rule, steps, scale = [(x) => x, (x) => x], targeted }) => {
    const { attack, epsilon } = preset;
    const found = await perturb(classifier, attack, { images, labels, ...(targeted && { targets }), epsilon });
    const { norm, randomStart: start = false } = attack as Pgd;
    const radii = { shape: [COUNT], data: new Float32Array(COUNT).fill(epsilon) };
    const starts = start
      ? randomStart(images, { start: 0, end: COUNT }, 0, { norm, epsilon: radii, randomStart: start })
      : images;
    for (let i = 0; i < COUNT; i++) {
      const x0 = scale[0]([...rows(images, i, i + 1).data]);
      let x: Vector = scale[0]([...rows(starts, i, i + 1).data]);
      for (let step = 0; step < steps; step++) x = rule(x, x0, labels[i]!, targets[i]!);
      const expected = scale[1](x);
      const error = rows(found.adversarial, i, i + 1).data.map((value, p) => Math.abs(value - expected[p]!));
      expect(Math.max(...error)).toBeLessThan(4e-6);
    }
  });
});

it('the preset of source 002 starts from nearly black and white images, on the sphere after one step', async () => {
  const { attack, epsilon } = mnistManipulation({ steps: 1 });
  const large = { shape: [4, 1, 28, 28], data: new Float32Array(4 * 784) };
  const start = randomStart(large, { start: 0, end: 4 }, 0, {
    norm: 'l2',
    epsilon: { shape: [4], data: new Float32Array(4).fill(epsilon) },
    randomStart: (attack as Pgd).randomStart,
  });
  // For black pixels 50 % zeros, 47.5 % ones, 2.5 % between (experiments §7.2).
  const share = (test: (value: number) => boolean) => start.data.filter(test).length / start.data.length;
  expect(share((value) => value === 0)).toBeCloseTo(0.5, 1);
  expect(share((value) => value === 1)).toBeCloseTo(0.475, 1);
  expect(share((value) => value > 0 && value < 1)).toBeLessThan(0.05);
  expect(epsilon).toBeCloseTo(4.4721, 4);
});

it('the preset of the unforeseen attacks aims at random wrong classes, the same for every run', async () => {
  const { attack, epsilon } = kang2019Pgd({ norm: 'linf', epsilon: 255, steps: 20 });
  const found = await perturb(classifier, attack, { images, labels, epsilon });
  const again = await perturb(classifier, attack, { images, labels, epsilon });
  expect(again.adversarial.data).toEqual(found.adversarial.data);
  expect(found.success.reduce((a, b) => a + b, 0)).toBe(COUNT);
});

it('each preset says in what it differs, and is plain data', () => {
  expect(Object.keys(presets)).toHaveLength(12);
  for (const { preset } of Object.values(cases)) expect(JSON.parse(JSON.stringify(preset))).toEqual(preset);
  expect(mnistManipulation().differs).toContain('steps along the sign of the gradient, in l2 too');
  expect(boychev2023().differs.join()).toMatch(/mean loss of its batch/);
  expect(boopathy2020Training({ epsilon: 0.3 }).differs).toEqual([]);
});
