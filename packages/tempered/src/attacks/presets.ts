/** @file The attacks of the studies, with what each does otherwise than PGD as it is written today (experiments §11.1). */
import type { ObjectiveName } from '../objectives/objectives.ts';
import type { Attack } from './attack.ts';
import { fgsm } from './fgsm.ts';
import { type Pgd, type PgdOptions, pgd } from './pgd.ts';
import { targeted } from './targeted.ts';

/** An attack as a study ran it, in the units of this library. */
export interface StudyAttack {
  readonly attack: Attack;
  /** In pixel units, for `perturb`. */
  readonly epsilon: number;
  /** What it does otherwise than `pgd` by itself, and what of the study lies outside the attack. */
  readonly differs: readonly string[];
}

type TwoNorms = 'linf' | 'l2';

/**
 * Source 000 (§1.3), 40 steps. `epsilon` is on their scale of [−1, 1], as in their tables; steps of 0.02 in linf and 2 in
 * l2, on that scale too.
 */
export function kim2019({
  norm,
  epsilon,
  loss = 'cross-entropy',
}: {
  norm: TwoNorms;
  epsilon: number;
  /** `'hinge-500-zero'` in training, `'margin'` in their analysis. */
  loss?: Extract<ObjectiveName, 'cross-entropy' | 'hinge-500-zero' | 'margin'>;
}): StudyAttack {
  const stepSize = { linf: 0.02, l2: 2 }[norm] / 2;
  return study(published({ norm, loss, steps: 40, stepSize }), epsilon / 2, [
    'ε and steps are on a scale of [−1, 1], twice ours',
    ...(norm === 'l2' ? ['one step is longer than ε for most ε: every iterate lies on the surface of the ball'] : []),
    ...(loss === 'hinge-500-zero' ? ['the true class counts as a logit of 0 among its rivals; margin 500'] : []),
  ]);
}

/**
 * AT-CNN (§2.2), 20 steps. `epsilon` is in 255ths in linf and in pixel units in l2. `sphere`: the form of the baseline
 * folder, where the perturbation is scaled up to ε as well as down.
 */
export function zhang2019({
  norm,
  epsilon,
  sphere = false,
}: {
  norm: TwoNorms;
  epsilon: number;
  sphere?: boolean;
}): StudyAttack {
  if (norm === 'linf') return study(published({ norm, steps: 20, stepSize: { relative: 0.5 } }), epsilon / 255);
  const projection = sphere ? 'sphere-then-box' : 'ball-then-box';
  const attack = published({ norm, steps: 20, stepSize: { relative: 1 / 510 }, direction: 'sign', projection });
  return study(attack, epsilon, ['every pixel moves by ε / 510']);
}

/** FGSM of AT-CNN (§2.2); `epsilon` in 255ths. */
export const zhang2019Fgsm = ({ epsilon }: { epsilon: number }): StudyAttack => ({
  ...{ attack: fgsm(), epsilon: epsilon / 255, differs: [] },
});

/** The evaluation of Boopathy et al. (§5.6): steps of 0.01 on every data set, on CIFAR-10 longer than the smallest ε. */
export const boopathy2020Evaluation = ({ epsilon, steps = 200 }: { epsilon: number; steps?: number }): StudyAttack =>
  study(published({ steps, stepSize: 0.01 }), epsilon, ['the step size does not depend on ε']);

/** The inner maximisation of Boopathy et al. (§5.5): by default that of MNIST, 40 steps of 0.01. */
export const boopathy2020Training = ({
  epsilon,
  steps = 40,
  stepSize = 0.01,
}: {
  epsilon: number;
  steps?: number;
  stepSize?: number;
}): StudyAttack => study(published({ steps, stepSize, randomStart: 'box' }), epsilon);

/**
 * Source 002 (§7.2). `squaredEpsilon` is what the study calls epsilon: 20 means a radius of √20. With `loss` `'logit'`,
 * give `perturb` the target classes, whose logit is raised.
 */
export function mnistManipulation({
  squaredEpsilon = 20,
  steps = 40,
  stepSize = 0.01,
  randomStart = true,
  loss = 'cross-entropy',
}: {
  squaredEpsilon?: number;
  steps?: number;
  stepSize?: number;
  randomStart?: boolean;
  loss?: Extract<ObjectiveName, 'cross-entropy' | 'hinge-50' | 'logit'>;
} = {}): StudyAttack {
  const start = randomStart && { box: squaredEpsilon };
  const attack = published({ norm: 'l2', loss, steps, stepSize, direction: 'sign', randomStart: start });
  return study(attack, Math.sqrt(squaredEpsilon), [
    'epsilon is the square of the radius',
    ...(randomStart ? ['the start is drawn within ± the squared radius: nearly a random black and white image'] : []),
  ]);
}

/** The exercises of source 003 (§8.1), whose targets are given to `perturb`: by default numbers 3 and 4; 5 has steps of 5 and ε 100. */
export const sidnExercise = ({ epsilon = 1.25, stepSize = 0.5, steps = 20 } = {}): StudyAttack =>
  study(published({ norm: 'l2', steps, stepSize }), epsilon);

/** The `robustness` library (§8.3): evaluation by default, steps of 2.5 ε / steps. */
export function robustnessLibrary({
  norm,
  epsilon,
  steps = 20,
  stepSize,
  randomStart = false,
  useBest = true,
}: {
  norm: TwoNorms;
  epsilon: number;
  steps?: number;
  stepSize?: number;
  randomStart?: boolean;
  useBest?: boolean;
}): StudyAttack {
  const start = randomStart && { linf: 'box' as const, l2: 'sphere' as const }[norm];
  const size = stepSize ?? { relative: 2.5 / Math.max(1, steps) };
  const keep = useBest ? 'objective' : 'last';
  return study(published({ norm, steps, stepSize: size, randomStart: start, keep }), epsilon);
}

/** Source 004 (§9.3): by default CIFAR-10; Small ImageNet has ε 1.5 and steps of 0.1875 in the paper. */
export const boychev2023 = ({ epsilon = 0.5, stepSize = 0.1, steps = 20, useBest = true } = {}): StudyAttack =>
  study(published({ norm: 'l2', steps, stepSize, keep: useBest ? 'batch' : 'before-last' }), epsilon, [
    'batch norm was in training mode and its averages moved; attacks run models in evaluation mode here',
  ]);

/** PGD of Bluff (§4.2), on the scale of [−1, 1] that `strength` has; targets are given to `perturb`. Only hits were kept. */
export const bluffPgd = ({ strength }: { strength: number }): StudyAttack =>
  study(published({ norm: 'l2', steps: 50, stepSize: { relative: 0.2 }, randomStart: true }), strength / 2, [
    'ε and steps are on a scale of [−1, 1], twice ours',
  ]);

/** FGSM of Bluff (§4.2), in linf, the default of the library that it used: the study does not say. */
export const bluffFgsm = ({ strength }: { strength: number }): StudyAttack => ({
  attack: fgsm(),
  epsilon: strength / 2,
  differs: ['ε is on a scale of [−1, 1], twice ours'],
});

/** PGD of the unforeseen attacks (§6.3), 200 steps of ε / √200 toward a random class; `epsilon` on their scale of [0, 255]. */
export function kang2019Pgd({
  norm,
  epsilon,
  steps = 200,
}: {
  norm: TwoNorms;
  epsilon: number;
  steps?: number;
}): StudyAttack {
  const attack = published({ norm, steps, stepSize: { relative: 1 / Math.sqrt(steps) }, randomStart: true });
  const { differs } = study(attack, epsilon);
  return {
    attack: targeted(attack, 'random'),
    epsilon: epsilon / 255,
    differs: [...differs, 'ε is on a scale of [0, 255]', 'aims at a random wrong class'],
  };
}

/** The presets by name, with where `specs` and papers describe them. */
export const presets = {
  kim2019: { make: kim2019, source: 'Kim, Seo, Jeon 2019' },
  zhang2019: { make: zhang2019, source: 'Zhang & Zhu 2019' },
  zhang2019Fgsm: { make: zhang2019Fgsm, source: 'Zhang & Zhu 2019' },
  boopathy2020Evaluation: { make: boopathy2020Evaluation, source: 'Boopathy et al. 2020' },
  boopathy2020Training: { make: boopathy2020Training, source: 'Boopathy et al. 2020' },
  mnistManipulation: {
    make: mnistManipulation,
    source: 'MNIST class manipulation, on the MNIST challenge of Madry et al.',
  },
  sidnExercise: { make: sidnExercise, source: 'SIDN practicum' },
  robustnessLibrary: { make: robustnessLibrary, source: 'Engstrom et al. 2019, robustness' },
  boychev2023: { make: boychev2023, source: 'Boychev 2023' },
  bluffPgd: { make: bluffPgd, source: 'Das et al. 2020, Bluff' },
  bluffFgsm: { make: bluffFgsm, source: 'Das et al. 2020, Bluff' },
  kang2019Pgd: { make: kang2019Pgd, source: 'Kang et al. 2019' },
} as const;

/** PGD as most studies wrote it: from the image itself, the ball first and the box after it, the last iterate. */
const published = (options: PgdOptions): Pgd =>
  pgd({ randomStart: false, projection: 'ball-then-box', keep: 'last', ...options });

const study = (attack: Pgd, epsilon: number, beside: readonly string[] = []): StudyAttack => ({
  attack,
  epsilon,
  differs: [...differences(attack), ...beside],
});

/** Where the fields of an attack are not those that `pgd` gives by itself. */
function differences({ norm, direction, projection, randomStart, keep }: Pgd): string[] {
  const words: string[] = [];
  if (norm !== 'linf' && direction === 'sign') words.push('steps along the sign of the gradient, in l2 too');
  if (norm !== 'linf' && projection === 'ball-then-box')
    words.push('is drawn into the ball and clipped to the box after that, not to the nearest point of both');
  if (projection === 'sphere-then-box') words.push('is scaled onto the surface of the ball, from inside too');
  if (randomStart === false) words.push('starts at the image itself');
  else if (typeof randomStart === 'object') words.push('starts from a box wider than the ball');
  else if (randomStart === 'sphere') words.push('starts on the surface of the ball');
  if (keep === 'objective') words.push('returns the iterate with the worst loss of each image, successful or not');
  if (keep === 'batch')
    words.push('returns the iterate with the worst mean loss of its batch, and never looks at the last one');
  if (keep === 'before-last') words.push('returns the iterate before the last');
  return words;
}
