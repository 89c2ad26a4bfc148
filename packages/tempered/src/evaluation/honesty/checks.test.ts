import { describe, expect, it, test } from 'vitest';
import type { Attack } from '../../attacks/attack.ts';
import { autoAttack } from '../../attacks/auto-attack.ts';
import { autoPgd } from '../../attacks/auto-pgd.ts';
import { deepFool } from '../../attacks/deep-fool.ts';
import { fab } from '../../attacks/fab.ts';
import { fgsm } from '../../attacks/fgsm.ts';
import { miFgsm } from '../../attacks/momentum.ts';
import { noise } from '../../attacks/noise.ts';
import { bim, pgd } from '../../attacks/pgd.ts';
import { restarts } from '../../attacks/restarts.ts';
import { square } from '../../attacks/square.ts';
import { targeted } from '../../attacks/targeted.ts';
import { elastic } from '../../attacks/unforeseen/elastic.ts';
import { worstCase } from '../../attacks/worst-case.ts';
import type { GraphInspection } from '../../models/inspect-graph.ts';
import type { AttackedImages, Ledger } from '../ledger.ts';
import { cleanAccuracy, enoughImages, wilson } from './accuracy.ts';
import { isTargeted, isUntargeted, kindOf } from './attack-kinds.ts';
import { type BrokenImages, gradientFreeFindNothing, manyStepsBeatOne, strongerBreakMore } from './attack-order.ts';
import type { Verdict } from './check.ts';
import { doubledEffort, hasConverged, whyNotDoubled } from './convergence.ts';
import { breaksUnbounded, fallingCurve } from './curve.ts';
import { predictionsRepeat } from './determinism.ts';
import { repairedAttack } from './evaluate-with-repair.ts';
import { adaptiveAttacks, nodesPassGradients, outputsAsExpected } from './graph-checks.ts';
import { lossesAgree } from './losses.ts';
import type { Mask, MaskSearch } from './masks.ts';
import { completeRecord } from './record.ts';
import { keepsToBounds, returnsWhatItFound } from './returned.ts';
import { catastrophicOverfitting, robustOverfitting, type TrainingHistory } from './training-checks.ts';
import { gradientsTellTheTruth } from './truthful-gradients.ts';
import { bothGoals, worstOfEachImage } from './worst-case.ts';

/** What one attack left: 1 for an image that stands, 0 for one that is broken. */
function attacked(standing: readonly number[], distance = 0.1): AttackedImages {
  return {
    predictions: standing.map((stands) => 1 - stands),
    rank: standing.map((stands) => 1 - stands),
    distance: standing.map((stands) => (stands ? 0 : distance)),
    survivesRounding: standing.map((stands) => 1 - stands),
    zeroGradients: 0,
    forwards: 10,
    gradients: 10,
    seconds: 1,
  };
}

interface Found {
  epsilon: number;
  /** By attack; the worst case is taken image by image unless it is given. */
  by: Record<string, number[]>;
  reported?: number[];
}

function ledgerOf(natural: number[], found: Found[], classes = 2): Ledger {
  return {
    labels: natural.map((_, i) => i % classes),
    natural: attacked(natural),
    underAttack: found.map(({ epsilon, by, reported }) => {
      const worst = natural.map((_, i) => Math.min(...Object.values(by).map((standing) => standing[i]!)));
      return {
        epsilon,
        byAttack: Object.fromEntries(Object.entries(by).map(([name, standing]) => [name, attacked(standing)])),
        ...attacked(reported ?? worst),
      };
    }),
  };
}

const ones = (count: number) => new Array<number>(count).fill(1);
const standing = (count: number, left: number) => Array.from({ length: count }, (_, i) => Number(i < left));

describe('C1 and C17', () => {
  it.each<[number, Verdict]>([
    [95, 'pass'],
    [50, 'fail'],
    [60, 'warn'],
  ])('%d of 100 right between two classes: %s', (right, verdict) => {
    expect(cleanAccuracy(ledgerOf(standing(100, right), []), 2).verdict).toBe(verdict);
  });

  it.each<[number, number, number, Verdict]>([
    [7, 10, 10, 'pass'],
    [2, 10, 10, 'warn'],
    [1, 10, 10, 'fail'],
    [0, 0, 10, 'not applicable'],
  ])('%d of %d right among %d classes: %s', (right, count, classes, verdict) => {
    const found = cleanAccuracy(ledgerOf(standing(count, right), [], classes), classes);
    expect(found.verdict).toBe(verdict);
    expect(found.evidence).not.toContain('NaN');
  });

  it('accuracy below chance is told from accuracy near it', () => {
    expect(cleanAccuracy(ledgerOf(standing(100, 30), []), 2).advice).toContain('below chance (50 % ± 10 %)');
    expect(cleanAccuracy(ledgerOf(standing(100, 45), []), 2).advice).toContain('near chance');
  });

  it('ε is written in grey levels where it is a whole number of them', () => {
    const found = [1 / 255, 0.3].map((epsilon) => ({ epsilon, by: { pgd: ones(4) } }));
    expect(cleanAccuracy(ledgerOf(ones(4), found), 2).evidence).toContain('100 % at 1/255, 100 % at 0.3');
  });

  it('no image is no interval', () => {
    expect(enoughImages(ledgerOf([], [])).verdict).toBe('not applicable');
  });

  it('the Wilson interval of 8 in 10 is that of R’s prop.test without correction, and [0, 0.278] for none', () => {
    const { lower, upper } = wilson(8, 10);
    expect(lower).toBeCloseTo(0.4901625, 6);
    expect(upper).toBeCloseTo(0.9433178, 6);
    expect(wilson(0, 10).lower).toBeCloseTo(0, 12);
    expect(wilson(0, 10).upper).toBeCloseTo(0.2775328, 6);
  });

  it.each<[number, Verdict]>([
    [100, 'warn'],
    [400, 'pass'],
  ])('%d images: %s', (count, verdict) => {
    const half = ledgerOf(ones(count), [{ epsilon: 0.1, by: { pgd: standing(count, count / 2) } }]);
    expect(enoughImages(half).verdict).toBe(verdict);
  });
});

describe('C2 and C3', () => {
  it.each<[string, number[], Verdict]>([
    ['falls to 0', [80, 30, 0], 'pass'],
    ['falls to chance', [80, 70, 50], 'pass'],
    ['stops early', [90, 80, 70], 'warn'],
    ['rises by an image', [90, 60, 61], 'warn'],
    ['rises', [90, 60, 70], 'fail'],
    ['has one point', [80], 'not applicable'],
  ])('a curve that %s', (_, left, verdict) => {
    const found = left.map((count, k) => ({ epsilon: 0.1 * (k + 1), by: { pgd: standing(100, count) } }));
    expect(fallingCurve(ledgerOf(ones(100), found), 2).verdict).toBe(verdict);
  });

  it.each<[string, number, number, Verdict]>([
    ['all broken', 20, 0.1, 'pass'],
    ['one left', 19, 0.1, 'warn'],
    ['half left', 10, 0.1, 'fail'],
    ['more than one class stands at linf 1/2', 20, 0.5, 'fail'],
  ])('without a bound: %s', (_, broken, epsilon, verdict) => {
    const ledger = ledgerOf(ones(20), [{ epsilon, by: { pgd: standing(20, 15) } }]);
    expect(breaksUnbounded(ledger, 2, 'linf', { broken, count: 20 }).verdict).toBe(verdict);
  });

  it('a threat model without a radius has no such check', () => {
    expect(breaksUnbounded(ledgerOf(ones(4), []), 2, undefined, undefined).verdict).toBe('not applicable');
  });
});

describe('C4, C6 and C16', () => {
  const tried = Array.from({ length: 300 }, (_, i) => i);
  const by = (attack: string, kind: BrokenImages['kind'], ...broken: number[]): BrokenImages => ({
    attack,
    kind,
    tried,
    broken,
  });
  const many = by('pgd', 'iterative', 0, 1, 2);

  it.each<[string, BrokenImages[], Verdict, Verdict, Verdict]>([
    ['alone', [many], 'not applicable', 'not applicable', 'not applicable'],
    ['one step finds less', [many, by('fgsm', 'single-step', 0)], 'pass', 'not applicable', 'not applicable'],
    ['one step finds one more', [many, by('fgsm', 'single-step', 7)], 'warn', 'not applicable', 'not applicable'],
    ['one step finds more', [many, by('fgsm', 'single-step', 7, 8, 9, 10)], 'fail', 'not applicable', 'not applicable'],
    ['Square finds less', [many, by('square', 'scores', 1)], 'not applicable', 'pass', 'pass'],
    ['Square finds one more', [many, by('square', 'scores', 9)], 'not applicable', 'warn', 'fail'],
    ['noise finds many', [many, by('noise', 'random', 5, 6, 7, 8)], 'not applicable', 'fail', 'fail'],
    ['transfer finds more', [many, by('other', 'transfer', 4, 5, 6, 7)], 'not applicable', 'fail', 'not applicable'],
    [
      'noise finds what Square misses and PGD does not',
      [many, by('square', 'scores'), by('noise', 'random', 1)],
      'not applicable',
      'pass',
      'pass',
    ],
  ])('%s', (_, attempts, c4, c6, c16) => {
    expect(manyStepsBeatOne(attempts).verdict).toBe(c4);
    expect(strongerBreakMore(attempts).verdict).toBe(c6);
    expect(gradientFreeFindNothing(attempts).verdict).toBe(c16);
  });

  it('weighs what an attack breaks by the images that it was tried on and the share that stands', () => {
    const half = { ...many, broken: tried.slice(0, 150) };
    const few = (...broken: number[]) => ({ ...by('square', 'scores', ...broken), tried: [10, 150, 151, 152, 153] });
    // 1 of the 4 that stand and were tried, of 150 standing in 300: an eighth of all.
    const found = gradientFreeFindNothing([half, few(10, 152)]);
    expect(found.data).toMatchObject({
      additions: [{ found: [152], tried: 4, standing: 150, count: 300, share: 1 / 8 }],
    });
    expect(found.evidence).toContain("'square' breaks 1 of the 4 images");
    expect(found.evidence).toContain('150 of 300 stand');
    expect(found.evidence).toContain('another 12.5 %');
    expect(strongerBreakMore([half, few(152)]).verdict).toBe('warn');
    expect(strongerBreakMore([half, few(152, 153)]).verdict).toBe('fail');
  });

  it('finds nothing new where nothing stands', () => {
    const all = { ...many, broken: tried };
    expect(gradientFreeFindNothing([all, by('square', 'scores', 5)]).verdict).toBe('pass');
  });

  it('names the images', () => {
    expect(strongerBreakMore([many, by('square', 'scores', 9)]).evidence).toContain('image 9 (square)');
  });
});

test('kinds and goals of attacks, inside of combinators too', () => {
  const cases: [Attack, string, boolean, boolean][] = [
    [pgd(), 'iterative', false, true],
    [fgsm(), 'single-step', false, true],
    [restarts(square(), 2), 'scores', false, true],
    [noise(), 'random', false, true],
    [targeted(pgd(), 'all'), 'iterative', true, false],
    [worstCase([square(), targeted(fgsm(), 'all')]), 'single-step', true, true],
    [pgd({ steps: 1 }), 'single-step', false, true],
    [bim({ steps: 1 }), 'single-step', false, true],
    [miFgsm({ steps: 1 }), 'single-step', false, true],
    [autoAttack(), 'iterative', true, true],
    [autoPgd({ loss: 'targeted-dlr' }), 'iterative', true, false],
    [autoPgd({ loss: 'dlr' }), 'iterative', false, true],
    [fab(), 'iterative', false, true],
    [restarts(fab({ targets: 9 }), 2), 'iterative', true, false],
    [elastic(), 'iterative', true, false],
    [elastic({ aim: 'away' }), 'iterative', false, true],
    [worstCase([restarts(targeted(pgd(), 'random'), 2), square()]), 'iterative', true, true],
  ];
  for (const [attack, kind, aims, takesAny] of cases)
    expect([kindOf(attack), isTargeted(attack), isUntargeted(attack)], attack.name).toEqual([kind, aims, takesAny]);
});

describe('C5', () => {
  it('doubles steps and restarts, inside of combinators too, with the step sizes that go with them', () => {
    expect(doubledEffort(square())).toBeUndefined();
    expect(doubledEffort(pgd({ steps: 10 }))).toEqual(restarts(pgd({ steps: 20 }), 2));
    expect(doubledEffort(pgd({ steps: 100 }))).toEqual(restarts(pgd({ steps: 200 }), 2));
    expect(doubledEffort(pgd({ steps: 10, stepSize: 0.01 }))).toEqual(restarts(pgd({ steps: 20, stepSize: 0.01 }), 2));
    expect(doubledEffort(restarts(miFgsm({ steps: 5 }), 3))).toEqual(restarts(miFgsm({ steps: 10 }), 6));
    expect(doubledEffort(targeted(pgd({ steps: 5 }), 'all'))).toEqual(restarts(targeted(pgd({ steps: 10 }), 'all'), 2));
    expect(doubledEffort(worstCase([square(), pgd({ steps: 5 })]))).toEqual(
      restarts(worstCase([square(), pgd({ steps: 10 })]), 2),
    );
  });

  it.each<[string, Attack | undefined, 'linf' | undefined, number, string]>([
    ['no image is right', pgd(), 'linf', 0, 'no image is right'],
    ['there is no norm', elastic(), undefined, 50, 'no norm ball'],
    ['nothing follows gradients', undefined, 'linf', 50, 'no attack of several steps'],
    ['the attack is a minimal one', fab(), 'linf', 50, 'looks for smallest perturbations'],
  ])('is not measured where %s, and says so', (_, main, norm, images, why) => {
    const whyNot = whyNotDoubled(main, norm, images);
    expect(whyNot).toContain(why);
    expect(hasConverged({ whyNot: whyNot! })).toMatchObject({ verdict: 'not applicable', evidence: whyNot });
  });

  it('can be measured for PGD', () => {
    expect(whyNotDoubled(pgd(), 'linf', 50)).toBeUndefined();
  });

  it.each<[number, Verdict]>([
    [0, 'pass'],
    [1, 'warn'],
    [4, 'fail'],
  ])('%d more of 50: %s', (more, verdict) => {
    expect(hasConverged({ attack: 'pgd', count: 50, broken: 20, more }).verdict).toBe(verdict);
  });
});

const inspection: GraphInspection = {
  tail: { kind: 'logits', logits: 'logits' },
  hasGradient: true,
  cuts: [],
  oscillations: [],
  clips: [],
  random: [],
  batchStatistics: [],
  quantized: [],
  isNormalized: true,
};
const shares = (zero: number, notFinite = 0) => ({ count: 50, zero, notFinite });
const searched = (changes: Partial<MaskSearch> = {}): MaskSearch => ({
  masks: [],
  inspection,
  gradients: { crossEntropy: shares(0), margin: shares(0) },
  shattering: [{ step: 4 / 255, alongGradient: 0.1, alongRandom: 0.2 }],
  ...changes,
});
const mask = (kind: Mask['kind'], loss?: 'margin'): Mask => ({
  kind,
  what: 'somewhere',
  repair: { says: 'helped', loss },
});

describe('C7 and C8', () => {
  it.each<[string, MaskSearch, [number, number], Verdict]>([
    ['agree', searched(), [20, 22], 'pass'],
    ['differ', searched(), [20, 30], 'warn'],
    ['underflow', searched({ masks: [mask('loss underflow', 'margin')] }), [0, 30], 'fail'],
    [
      'have no gradient',
      searched({ gradients: { crossEntropy: shares(50), margin: shares(50) } }),
      [0, 0],
      'not applicable',
    ],
  ])('losses that %s', (_, search, [crossEntropy, margin], verdict) => {
    expect(lossesAgree(search, { count: 50, crossEntropy, margin }).verdict).toBe(verdict);
  });

  const promised = (alongGradient: number) => [{ step: 4 / 255, alongGradient, alongRandom: 0.5 }];
  it.each<[string, MaskSearch, Verdict]>([
    ['good', searched(), 'pass'],
    ['zero at an image', searched({ gradients: { crossEntropy: shares(1), margin: shares(1) } }), 'warn'],
    ['zero everywhere', searched({ gradients: { crossEntropy: shares(50), margin: shares(50) } }), 'fail'],
    ['not a number', searched({ gradients: { crossEntropy: shares(0, 1), margin: shares(0) } }), 'fail'],
    ['a poor guide', searched({ shattering: promised(0.6) }), 'warn'],
    ['shattered', searched({ shattering: promised(1), masks: [mask('shattered gradients')] }), 'fail'],
  ])('gradients that are %s', (_, search, verdict) => {
    expect(gradientsTellTheTruth(search).verdict).toBe(verdict);
  });
});

test('C9: noise is told from rounding', () => {
  const repeats = { runs: 5, count: 50, distance: 1e-6, changed: 0 };
  expect(predictionsRepeat(repeats, searched()).verdict).toBe('pass');
  const noisy = predictionsRepeat({ ...repeats, distance: 0.01 }, searched({ masks: [mask('randomness')] }));
  expect([noisy.verdict, noisy.advice]).toEqual(['fail', expect.stringContaining('helped')]);
});

describe('C10, C11 and C22', () => {
  const cut = { node: "Round node 'r'", op: 'Round', detour: { from: 'a', to: 'b' } };
  const has = (changes: Partial<GraphInspection>) => searched({ inspection: { ...inspection, ...changes } });
  it.each<[string, MaskSearch, number, Verdict, Verdict]>([
    ['nothing', searched(), 0, 'pass', 'not applicable'],
    ['rounding', has({ cuts: [cut] }), 0, 'fail', 'warn'],
    ['quantisation', has({ quantized: [cut] }), 0, 'pass', 'warn'],
    ['a clip that saturates', searched(), 0.97, 'warn', 'not applicable'],
    ['a clip for an activation', searched(), 0.6, 'pass', 'not applicable'],
    ['noise', has({ random: [cut] }), 0, 'pass', 'warn'],
  ])('a graph with %s', (_, search, share, c10, c22) => {
    expect(nodesPassGradients(search, [{ node: 'Clip', share }]).verdict).toBe(c10);
    expect(adaptiveAttacks(search).verdict).toBe(c22);
  });

  const model = { name: 'm', classes: ['a', 'b', 'c', 'd'], inputShape: [1], input: 'x', logits: 'z' };
  const fine = { looksLikeProbabilities: false, lowestPixel: 0, highestPixel: 1, naturalAccuracy: 0.9 };
  it.each<[string, MaskSearch, Partial<typeof fine>, Verdict]>([
    ['are', searched(), {}, 'pass'],
    ['a softmax makes', has({ tail: { kind: 'softmax', logits: 'y' } }), { looksLikeProbabilities: true }, 'warn'],
    ['look like probabilities', searched(), { looksLikeProbabilities: true }, 'fail'],
    ['come of batch statistics', has({ batchStatistics: [cut] }), {}, 'fail'],
    ['come of pixels up to 255', searched(), { highestPixel: 255 }, 'fail'],
    ['come of images scaled twice', searched(), { highestPixel: 1 / 255 }, 'warn'],
    ['are at chance without normalisation', has({ isNormalized: false }), { naturalAccuracy: 0.25 }, 'warn'],
    ['are good without normalisation', has({ isNormalized: false }), {}, 'pass'],
  ])('outputs that %s', (_, search, changes, verdict) => {
    const graph = {
      ...model,
      graph: {
        name: 'm',
        inputs: [],
        outputs: [],
        initializers: new Map(),
        nodes: [],
        opsets: {},
        metadata: {},
        functions: [],
      },
    };
    expect(outputsAsExpected(graph, search, { ...fine, ...changes }).verdict).toBe(verdict);
  });
});

describe('C12 and C15', () => {
  it.each<[string, Attack, Verdict]>([
    ['PGD that keeps the worst', pgd({ keep: 'worst' }), 'pass'],
    ['PGD that keeps the last, unmeasured', pgd(), 'not applicable'],
    ['MI-FGSM', miFgsm(), 'not applicable'],
    ['the same in a combinator', worstCase([square(), miFgsm()]), 'not applicable'],
    ['an unforeseen attack', elastic(), 'not applicable'],
    ['smallest perturbations', deepFool(), 'pass'],
    ['AutoAttack', autoAttack(), 'pass'],
    ['Square', square(), 'pass'],
    ['one step', fgsm(), 'pass'],
  ])('what returns: %s', (_, attack, verdict) => {
    expect(returnsWhatItFound({ attack }, undefined).verdict).toBe(verdict);
  });

  it.each<[number, Verdict]>([
    [0, 'pass'],
    [2, 'warn'],
    [10, 'fail'],
  ])('%s iterates lost of 50 images: %s', (lost, verdict) => {
    const kept = { attack: 'pgd', count: 50, brokenByLast: 20, lost };
    expect(returnsWhatItFound({ pgd: pgd() }, kept).verdict).toBe(verdict);
    expect(returnsWhatItFound({ pgd: pgd() }, kept).evidence).not.toContain('not measured');
    expect(returnsWhatItFound({ pgd: pgd(), mi: miFgsm() }, kept).evidence).toContain('mi may return');
  });

  it.each<[string, number, number, Verdict]>([
    ['inside', 0.1, 1, 'pass'],
    ['outside the ball', 0.1001, 1, 'fail'],
    ['inside, gone when rounded', 0.1, 0, 'warn'],
  ])('adversarial images %s', (_, distance, survives, verdict) => {
    const each = { ...attacked([0, 0, 0, 1], distance), survivesRounding: [survives, survives, survives, 0] };
    const ledger = { ...ledgerOf(ones(4), []), underAttack: [{ epsilon: 0.1, byAttack: { pgd: each }, ...each }] };
    expect(keepsToBounds(ledger, 'linf').verdict).toBe(verdict);
  });

  it('lengths are not compared with an ε that is no distance', () => {
    const ledger = ledgerOf(ones(4), [{ epsilon: 0.001, by: { elastic: [0, 0, 0, 1] } }]);
    expect(keepsToBounds(ledger, 'l2').verdict).toBe('fail');
    expect(keepsToBounds(ledger, undefined)).toMatchObject({
      verdict: 'not applicable',
      evidence: expect.stringContaining('100 % of 3 adversarial images'),
    });
  });
});

describe('C13 and C14', () => {
  it.each<[string, Record<string, Attack>, number, Verdict]>([
    ['both', { a: pgd(), b: targeted(pgd(), 'all') }, 10, 'pass'],
    ['untargeted', { a: pgd() }, 10, 'warn'],
    ['AutoAttack', { a: autoAttack() }, 10, 'pass'],
    ['toward classes only', { a: autoPgd({ loss: 'targeted-dlr' }), b: fab({ targets: 9 }) }, 10, 'warn'],
    ['untargeted, two classes', { a: pgd() }, 2, 'not applicable'],
  ])('%s', (_, attacks, classes, verdict) => {
    expect(bothGoals(attacks, classes).verdict).toBe(verdict);
  });

  it('the minimum of means is not the mean of minima', () => {
    const by = { a: [1, 1, 0, 0], b: [0, 0, 1, 1] };
    expect(worstOfEachImage(ledgerOf(ones(4), [{ epsilon: 0.1, by }])).verdict).toBe('pass');
    const wrong = worstOfEachImage(ledgerOf(ones(4), [{ epsilon: 0.1, by, reported: [1, 1, 0, 0] }]));
    expect([wrong.verdict, wrong.evidence]).toEqual(['fail', expect.stringContaining('0 withstand every attack')]);
  });
});

describe('C19 and C20', () => {
  const history = (findings: TrainingHistory['findings'], bestEpoch: number): TrainingHistory => ({
    history: [0.3, 0.4, 0.1].map((accuracy, i) => ({
      epoch: i + 1,
      learningRate: 0.1,
      loss: 1,
      trainingAccuracy: 0.5,
      robustAccuracy: accuracy,
      trainingRobustAccuracy: accuracy,
      seconds: 1,
    })),
    findings,
    bestEpoch,
  });
  const collapse = { name: 'catastrophic-overfitting', epoch: 3, message: 'It fell.' } as const;
  const decline = { name: 'robust-overfitting', epoch: 2, message: 'It declined.' } as const;
  it.each<[string, TrainingHistory | undefined, Verdict, Verdict]>([
    ['unknown', undefined, 'not applicable', 'not applicable'],
    ['well', history([], 2), 'pass', 'pass'],
    ['badly, an earlier state kept', history([collapse, decline], 2), 'warn', 'warn'],
    ['badly, the last state kept', history([collapse, decline], 3), 'fail', 'fail'],
  ])('training went %s', (_, training, c19, c20) => {
    expect([catastrophicOverfitting(training).verdict, robustOverfitting(training).verdict]).toEqual([c19, c20]);
  });
});

test('C21: what is not recorded is named', () => {
  const budget = { images: 5, forwards: 1, gradients: 1 };
  const ledger = ledgerOf(ones(4), []);
  const complete = { seed: 0, modelHash: 'abc', runtime: 'cpu' };
  expect(completeRecord({ pgd: pgd() }, ledger, complete, budget).verdict).toBe('pass');
  expect(completeRecord({ pgd: pgd() }, ledger, { seed: 0, runtime: 'cpu' }, budget).evidence).toContain(
    'the hash of the model',
  );
  const lossy = completeRecord({ pgd: { ...pgd(), steps: Number.NaN } }, ledger, complete, budget);
  expect(lossy.evidence).toContain("the settings of 'pgd'");
});

test('where the cross-entropy is masked, its attacks are followed by the margin’s', () => {
  const masks = [mask('loss underflow', 'margin')];
  expect(repairedAttack(pgd(), [mask('rounding')])).toEqual(pgd());
  expect(repairedAttack(square(), masks)).toEqual(square());
  expect(repairedAttack(restarts(pgd(), 2), masks)).toEqual(
    worstCase([restarts(pgd({ loss: 'margin' }), 2), restarts(pgd(), 2)]),
  );
});
