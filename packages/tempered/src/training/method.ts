/**
 * @file Training methods as plain data: a loss over clean and adversarial images, how the adversarial ones are made, and
 * on which batches. The methods of Boopathy et al. are in `interpretation-methods.ts`.
 */
import { type Fgsm, fgsmRs } from '../attacks/fgsm.ts';
import type { Pgd } from '../attacks/pgd.ts';
import { UsageError } from '../errors.ts';
import type { Term } from './objectives/terms.ts';
import { checkRamp, type Ramp } from './ramp.ts';

/** How adversarial images are made: projected steps that raise an objective inside a ball. */
export interface InnerMaximisation {
  /**
   * Start, norm, number, size and direction of the steps, projection, and the iterate that is kept: the last one, the one
   * before it, or that with the largest mean objective of the batch before the last step, as in Boychev 2023.
   */
  readonly attack: Fgsm | Pgd;
  /** What is raised. Default: the attack's loss, at the adversarial images. */
  readonly objective?: readonly Term[];
  /** Full radius, in pixel units. With radius 0 the adversarial images are the clean ones. */
  readonly epsilon: number;
  /** How ε grows to its full value. Default: it has it all along. */
  readonly ramp?: Ramp;
  /** Starts at x + deviation · N(0, 1), not clipped, instead of where the attack says. */
  readonly gaussianStart?: number;
  /**
   * Batch normalisation during the attack. `'evaluation'` (default): by the running statistics. `'training'`: by those of
   * the batch. `'training, moving statistics'`: so too, and every pass moves the running statistics, as in Boychev 2023.
   */
  readonly batchNorm?: 'evaluation' | 'training' | 'training, moving statistics';
}

/** Replays of every batch, with one pass for both gradients. */
export interface Replays {
  readonly count: number;
  readonly epsilon: number;
  readonly ramp?: Ramp;
  /** As a share of ε. */
  readonly relativeStep: number;
}

/** A step up in the weights before every gradient. */
export interface WeightPerturbation {
  /** Its length in every layer, as a share of that of the layer's weights. Default 0.005. */
  readonly gamma: number;
  /** How γ grows. Default: it has its full value all along. */
  readonly ramp?: Ramp;
}

/** JSON-serialisable. */
export interface TrainingMethod {
  readonly name: string;
  /** The loss of an image is the sum of these; that of a batch the mean over its images. */
  readonly loss: readonly Term[];
  /** Without it, and without replays, the adversarial images are the clean ones. */
  readonly inner?: InnerMaximisation;
  /** `'alternating'`: every second batch, the first among them, is left clean. Default: all are attacked. */
  readonly batches?: 'all' | 'alternating';
  /** Free adversarial training, instead of an inner maximisation. */
  readonly replays?: Replays;
  readonly weightPerturbation?: WeightPerturbation;
}

const ON_CLEAN: Term = { name: 'cross-entropy', at: 'clean' };
const ON_ADVERSARIAL: Term = { name: 'cross-entropy', at: 'adversarial' };

export const standard = (): TrainingMethod => ({ name: 'standard', loss: [ON_CLEAN] });

/** What the methods that attack have in common. */
export interface AttackingOptions extends Omit<InnerMaximisation, 'objective'> {
  /** Share of the training over which ε grows linearly from 0; short for a ramp. */
  warmup?: number;
}

function innerMaximisation({ warmup = 0, ...inner }: AttackingOptions): InnerMaximisation {
  return warmup === 0 ? inner : { ...inner, ramp: { from: 0, until: warmup, unit: 'share' } };
}

export interface AdversarialOptions extends AttackingOptions {
  /** `'all'` (default), or every second one only, as in Zhang & Zhu 2019. */
  batches?: 'all' | 'alternating';
  /** Of the loss, what is taken at adversarial images, the rest at the clean ones. Goodfellow et al. 2015, §6: 0.5. Default 1. */
  share?: number;
  /** What the attack raises. Default: its loss. */
  objective?: readonly Term[];
}

/**
 * Adversarial training: the loss is taken at adversarial examples under the current weights. Madry et al. 2018, §2.1.
 *
 * @example
 * adversarial({ attack: pgd({ steps: 7 }), epsilon: 8 / 255, warmup: 0.3 });
 */
export function adversarial({ batches = 'all', share = 1, objective, ...options }: AdversarialOptions): TrainingMethod {
  const mixed: Term[] = [
    { ...ON_CLEAN, weight: 1 - share },
    { ...ON_ADVERSARIAL, weight: share },
  ];
  return {
    name: 'adversarial',
    loss: share === 1 ? [ON_ADVERSARIAL] : mixed,
    inner: { ...innerMaximisation(options), ...(objective && { objective }) },
    ...(batches === 'alternating' && { batches }),
  };
}

/** Fast adversarial training: one sign step of 1.25 ε from a uniformly random start. Wong, Rice & Kolter 2020, algorithm 3. */
export function fgsmRandomStart(options: Omit<AttackingOptions, 'attack'>): TrainingMethod {
  return { ...adversarial({ ...options, attack: fgsmRs() }), name: 'fgsm-random-start' };
}

export interface FreeOptions {
  epsilon: number;
  /** Default 8. */
  replays?: number;
  /** Length of a step over ε. Default 1. */
  relativeStep?: number;
  /** How ε grows to its full value. Default: it has it all along. */
  ramp?: Ramp;
}

/**
 * Free adversarial training: every batch is fed `replays` times; each pass gives the gradient of the weights and that of
 * a perturbation, which is kept from pass to pass and from batch to batch. An epoch costs as much as `replays` standard
 * ones, and takes as many steps: divide the epochs. Shafahi et al. 2019, algorithm 1, linf.
 */
export function free({ epsilon, replays = 8, relativeStep = 1, ramp }: FreeOptions): TrainingMethod {
  return {
    name: 'free',
    loss: [ON_ADVERSARIAL],
    replays: { count: replays, epsilon, relativeStep, ...(ramp && { ramp }) },
  };
}

export interface WeightedOptions extends AttackingOptions {
  /** Weight of the second term. Default 6 for TRADES, 5 for MART. */
  beta?: number;
}

/**
 * TRADES: cross-entropy at the clean images, and β times how far the prediction moves. Zhang et al. 2019, eq. 5 and
 * algorithm 1. The attack raises the second term, from a Gaussian start of deviation 0.001: at x its gradient is 0.
 */
export function trades({ beta = 6, ...options }: WeightedOptions): TrainingMethod {
  return {
    name: 'trades',
    loss: [ON_CLEAN, { name: 'divergence', weight: beta }],
    inner: { gaussianStart: 0.001, ...innerMaximisation(options), objective: [{ name: 'divergence' }] },
  };
}

/**
 * MART: boosted cross-entropy at the adversarial images, and β times the divergence, weighted by how little the clean
 * image is believed to be what it is. Wang et al. 2020, algorithm 1, with the attack of their code: cross-entropy from a
 * Gaussian start of deviation 0.001.
 */
export function mart({ beta = 5, ...options }: WeightedOptions): TrainingMethod {
  return {
    name: 'mart',
    loss: [
      { name: 'boosted-cross-entropy', at: 'adversarial' },
      { name: 'divergence', weighting: 'doubt', weight: beta },
    ],
    inner: { gaussianStart: 0.001, ...innerMaximisation(options), objective: [ON_ADVERSARIAL] },
  };
}

/**
 * Adversarial weight perturbation: the weights of every layer (those with two axes or more) are moved up the gradient of
 * the loss, by γ times their length; the gradient taken there moves the weights as they were. Wu, Xia & Wang 2020,
 * algorithm 1. Their code decays the moved weights, ours those that are updated.
 *
 * @example
 * withWeightPerturbation(trades({ attack: pgd({ steps: 10 }), epsilon: 8 / 255 }), { gamma: 0.005 });
 */
export function withWeightPerturbation(
  method: TrainingMethod,
  { gamma = 0.005, ramp }: Partial<WeightPerturbation> = {},
): TrainingMethod {
  return { ...method, name: `${method.name}-awp`, weightPerturbation: { gamma, ...(ramp && { ramp }) } };
}

/** The terms that the attack of a method raises. */
export function innerObjective({ attack, objective }: InnerMaximisation): readonly Term[] {
  if (objective) return objective;
  if (attack.loss === 'cross-entropy') return [ON_ADVERSARIAL];
  if (attack.loss === 'margin') return [{ name: 'margin', at: 'adversarial' }];
  throw new UsageError(`training attacks raise the cross-entropy or the margin, not the ${attack.loss}`);
}

/** The steps of a method's attack: FGSM takes one, and the iterate before the last is that of one step fewer. */
export function innerSteps({
  attack,
}: InnerMaximisation): Pick<Pgd, 'norm' | 'steps' | 'stepSize' | 'direction' | 'projection' | 'keep'> {
  if (attack.name === 'pgd')
    return attack.keep === 'before-last' ? { ...attack, steps: attack.steps - 1, keep: 'last' } : attack;
  const { norm, relativeStep } = attack;
  const plain = { direction: 'steepest', projection: 'exact', keep: 'last' } as const;
  return { norm, steps: 1, stepSize: { relative: relativeStep }, ...plain };
}

/** Terms that compare the adversarial image with the clean one: they are least where both are the same. */
const FLAT: ReadonlySet<Term['name']> = new Set(['divergence', 'discrepancy', 'path-gradient']);

/** Throws a UsageError for options that a training would pass over in silence, or that make no sense. */
export function checkMethod({ name, loss, inner, batches, replays, weightPerturbation }: TrainingMethod): void {
  const refuse = (what: string) => {
    throw new UsageError(`${name} training: ${what}`);
  };
  const positive = (what: string, value: number) => {
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) refuse(`${what} must be 0 or more, not ${value}`);
  };
  if (loss.length === 0) refuse('the loss needs a term');
  for (const term of [...loss, ...(inner?.objective ?? [])]) {
    if (term.weight !== undefined) positive('the weight of a term', term.weight);
    if (term.ramp) checkRamp(term.ramp);
    if (term.name === 'path-gradient' && !(Number.isInteger(term.steps) && term.steps > 0))
      refuse(`a path needs a whole number of steps, 1 or more, not ${term.steps}`);
  }
  for (const part of [inner, replays, weightPerturbation]) if (part?.ramp) checkRamp(part.ramp);
  if (inner) {
    const { attack } = inner;
    positive('epsilon', inner.epsilon);
    innerObjective(inner);
    if (attack.name !== 'fgsm' && attack.name !== 'pgd') refuse('images are made with FGSM or PGD');
    if (attack.name === 'pgd' && !['last', 'before-last', 'batch'].includes(attack.keep))
      refuse(`the attack keeps the last iterate, the one before it, or the best of the batch, not '${attack.keep}'`);
    if (attack.name === 'pgd' && !(Number.isInteger(attack.steps) && attack.steps > 0))
      refuse(`the attack takes a whole number of steps, 1 or more, not ${attack.steps}`);
    if (inner.gaussianStart !== undefined) positive('the deviation of the start', inner.gaussianStart);
    const moved = (inner.gaussianStart ?? 0) > 0 || attack.randomStart !== false;
    if (!moved && innerObjective(inner).every(({ name: term }) => FLAT.has(term)))
      refuse('what the attack raises has a gradient of 0 at the image itself: give it a random start');
    if (replays) refuse('replays take the place of an attack');
  }
  if (batches === 'alternating' && !inner)
    refuse('batches alternate between clean and attacked ones: an attack is missing');
  if (replays) {
    positive('epsilon', replays.epsilon);
    positive('the step', replays.relativeStep);
    if (!(Number.isInteger(replays.count) && replays.count > 0))
      refuse(`replays must be a whole number, 1 or more, not ${replays.count}`);
  }
  if (weightPerturbation) positive('gamma', weightPerturbation.gamma);
  if (weightPerturbation && replays) refuse('weights are not perturbed in free training');
}
