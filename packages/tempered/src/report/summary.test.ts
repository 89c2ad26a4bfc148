import { beforeAll, describe, expect, it } from 'vitest';
import type { AccuracyResult, StudyResult } from './study-result.ts';
import { findings } from './summary.ts';
import { sampleStudy } from './testing/sample-study.ts';

let sample: StudyResult;
beforeAll(async () => {
  sample = await sampleStudy();
});

const share = (accuracy: number): AccuracyResult => ({
  correct: Math.round(1000 * accuracy),
  count: 1000,
  accuracy,
  lower: Math.max(0, accuracy - 0.02),
  upper: Math.min(1, accuracy + 0.02),
});

interface Outcome {
  attacked?: [standard: number, robust: number];
  natural?: [standard: number, robust: number];
  conflict?: [standard: number, robust: number] | 'absent';
  mass?: [standard: number, robust: number][];
}

/** The sample with some of its numbers replaced. */
function study({
  attacked = [0.1, 0.6],
  natural = [0.95, 0.9],
  conflict = [0.7, 0.9],
  mass = [],
}: Outcome): StudyResult {
  const epsilon = sample.attack.trainingEpsilon;
  const model = (name: 'standard' | 'robust', i: 0 | 1) => ({
    ...sample.models[name],
    underAttack: [{ epsilon, ...share(attacked[i]) }],
    natural: share(natural[i]),
    conflict: conflict === 'absent' ? undefined : share(conflict[i]),
    attributions: mass.map((means, j) => ({
      method: `M${j}`,
      relevanceMass: { mean: means[i], lower: means[i] - 0.02, upper: means[i] + 0.02 },
    })),
  });
  return { ...sample, models: { standard: model('standard', 0), robust: model('robust', 1) } };
}

const textOf = (outcome: Outcome, topic: string) => findings(study(outcome)).find((each) => each.topic === topic)?.text;

describe('robustness', () => {
  it.each<[[number, number], RegExp]>([
    [[0.1, 0.6], /right on 60.0% .* 6.0 times as often as the standard model, which is right on 10.0%/],
    [[0.02, 0.6], /30 times as often/],
    // Never rounded up to a claim; 0.6 / 0.2 is a little below 3 in floating point.
    [[0.125, 0.62], /4\.9 times as often/],
    [[0.05, 0.549], /10 times as often/],
    [[0.2, 0.6], /3\.0 times as often/],
    [[0, 0.6], /where the standard model is right on none of 1000/],
    [[0.59, 0.6], /no measurable difference/],
    [[0.6, 0.1], /adversarial training made it worse/],
  ])('says what %j means', (attacked, expected) => {
    expect(textOf({ attacked }, 'Robustness')).toMatch(expected);
  });

  it('is silent when the training ε was not attacked', () => {
    const other = study({});
    expect(findings({ ...other, attack: { ...other.attack, trainingEpsilon: 0.5 } })[0]?.topic).toBe('Its price');
  });
});

it.each<[[number, number], RegExp]>([
  [[0.95, 0.9], /robustness costs 5.0 points\./],
  [[0.9, 0.91], /no price is measurable/],
  [[0.85, 0.95], /costs nothing here, the robust model is 10.0 points better/],
])('prices natural accuracies %j', (natural, expected) => {
  expect(textOf({ natural }, 'Its price')).toMatch(expected);
});

it.each<[[number, number], RegExp]>([
  [
    [0.7, 0.9],
    /standard model loses 25.0 points and falls to 70.0% .*: it relies on that feature; the robust model keeps 90.0%/,
  ],
  [[0.95, 0.5], /standard model keeps 95.0% .*; the robust model loses 40.0 points/],
  [[1, 0.9], /standard model gains 5.0 points/],
])('reads the conflict split %j', (conflict, expected) => {
  expect(textOf({ conflict }, 'Non-robust feature')).toMatch(expected);
});

it.each<[[number, number][], RegExp]>([
  [
    [
      [0.3, 0.6],
      [0.3, 0.5],
    ],
    /lie on the object more by every method \(M0 60.0% against 30.0% and M1/,
  ],
  [[[0.6, 0.3]], /less by every method/],
  [[[0.3, 0.31]], /not measurably differently by every method/],
  [
    [
      [0.3, 0.6],
      [0.6, 0.3],
      [0.3, 0.31],
    ],
    /more by M0, less by M1 and not measurably differently by M2/,
  ],
])('compares explanations %j', (mass, expected) => {
  expect(textOf({ mass }, 'Where it looks')).toMatch(expected);
});

it('leaves out what was not measured', () => {
  expect(findings(study({ conflict: 'absent' })).map((each) => each.topic)).toEqual(['Robustness', 'Its price']);
});
