/** @file Attacks by name and settings, as command lines and configuration files write them: `pgd:steps=40,loss=margin`. */
import { UsageError } from '../errors.ts';
import type { Norm } from '../optimize/ball.ts';
import type { Attack } from './attack.ts';
import { autoAttack } from './auto-attack.ts';
import { type AutoPgdOptions, autoPgd } from './auto-pgd.ts';
import { carliniWagner } from './carlini-wagner.ts';
import { ddn } from './ddn.ts';
import { deepFool } from './deep-fool.ts';
import { draws } from './draws.ts';
import { fab } from './fab.ts';
import { fgsm, fgsmRs, rFgsm } from './fgsm.ts';
import { fmn } from './fmn.ts';
import { hopSkipJump } from './hop-skip-jump.ts';
import { minimalEpsilon } from './minimal-epsilon.ts';
import { miFgsm, niFgsm } from './momentum.ts';
import { nes } from './nes.ts';
import { type NoiseOptions, noise } from './noise.ts';
import { isMinimal } from './norm-of.ts';
import { bim, type PgdOptions, pgd } from './pgd.ts';
import { restarts } from './restarts.ts';
import { spatial } from './spatial.ts';
import { square } from './square.ts';
import { studies } from './study-catalogue.ts';
import { type TargetPolicy, targeted } from './targeted.ts';
import { elastic } from './unforeseen/elastic.ts';
import { fog } from './unforeseen/fog.ts';
import { frankWolfeL1 } from './unforeseen/frank-wolfe-l1.ts';
import { gabor } from './unforeseen/gabor.ts';
import { type CoefficientNorm, jpeg } from './unforeseen/jpeg.ts';
import type { Aim } from './unforeseen/options.ts';
import { snow } from './unforeseen/snow.ts';

/** Every setting that some attack has, and those that every attack has. */
export interface AttackSettings extends AnyAttackSettings {
  norm?: Norm;
  loss?: 'cross-entropy' | 'margin' | 'dlr' | 'targeted-dlr' | 'logit';
  steps?: number;
  /** In pixel units. */
  stepSize?: number;
  randomStart?: boolean;
  keep?: PgdOptions['keep'];
  /** Forward passes of an attack without gradients. */
  queries?: number;
  samples?: number;
  sigma?: number;
  draws?: number;
  kind?: NoiseOptions['kind'];
  /** Classes aimed at in turn. */
  targets?: number;
  decay?: number;
  overshoot?: number;
  confidence?: number;
  finalSearch?: number;
  smoothness?: number;
  coefficientNorm?: CoefficientNorm;
  aim?: Aim;
}

interface AnyAttackSettings {
  /** Runs, again only on images that still stand. */
  restarts?: number;
  /** Aims at classes of its own choice. */
  target?: Extract<TargetPolicy, string>;
  /** Looks for the smallest radius at which the attack succeeds. */
  minimal?: boolean;
}

type SettingName = Exclude<keyof AttackSettings, keyof AnyAttackSettings>;

export interface CatalogueEntry {
  readonly summary: string;
  readonly norms: readonly Norm[];
  /** The settings that the attack looks at. */
  readonly settings: readonly SettingName[];
  /** Of a study's attack: what it does otherwise than `pgd` by itself. */
  readonly differs?: readonly string[];
  make(settings: AttackSettings): Attack;
}

const ALL: readonly Norm[] = ['linf', 'l2', 'l1'];
const TWO: readonly Norm[] = ['linf', 'l2'];

/** The losses that projected gradient descent climbs. */
const pgdLoss = (settings: AttackSettings) => {
  const { loss, ...rest } = settings;
  if (loss === 'targeted-dlr') throw new UsageError("the loss 'targeted-dlr' belongs to auto-pgd");
  return { ...rest, loss };
};

const autoPgdLoss = (settings: AttackSettings): AutoPgdOptions => {
  const { loss, ...rest } = settings;
  if (loss === 'logit') throw new UsageError("auto-pgd has no loss 'logit'");
  return { ...rest, loss };
};

const STEPS = ['norm', 'loss', 'steps', 'stepSize'] as const;
const UNFORESEEN = ['steps', 'stepSize', 'aim'] as const;

/** The attacks by the names that users write. */
export const catalogue: Readonly<Record<string, CatalogueEntry>> = {
  fgsm: {
    summary: 'one step along the sign of the gradient',
    norms: ALL,
    settings: ['norm', 'loss'],
    make: (settings) => fgsm(pgdLoss(settings)),
  },
  'r-fgsm': {
    summary: 'FGSM after a step to a random corner',
    norms: ['linf'],
    settings: ['loss'],
    make: (settings) => rFgsm(pgdLoss(settings)),
  },
  'fgsm-rs': {
    summary: 'one step of 1.25 ε from a random point of the ball',
    norms: ALL,
    settings: ['norm', 'loss'],
    make: (settings) => fgsmRs(pgdLoss(settings)),
  },
  bim: {
    summary: 'iterated FGSM from the image itself',
    norms: ALL,
    settings: STEPS,
    make: (settings) => bim(pgdLoss(settings)),
  },
  'mi-fgsm': {
    summary: 'iterated FGSM with momentum, for transfer',
    norms: ALL,
    settings: [...STEPS, 'decay'],
    make: (settings) => miFgsm(pgdLoss(settings)),
  },
  'ni-fgsm': {
    summary: 'the same with Nesterov momentum',
    norms: ALL,
    settings: [...STEPS, 'decay'],
    make: (settings) => niFgsm(pgdLoss(settings)),
  },
  pgd: {
    summary: 'projected gradient descent',
    norms: ALL,
    settings: [...STEPS, 'randomStart', 'keep'],
    make: (settings) => pgd(pgdLoss(settings)),
  },
  'auto-pgd': {
    summary: 'PGD that chooses its step size',
    norms: ALL,
    settings: ['norm', 'loss', 'steps', 'targets'],
    make: (settings) => autoPgd(autoPgdLoss(settings)),
  },
  'deep-fool': {
    summary: 'smallest perturbation, by steps to the nearest linearised boundary',
    norms: ALL,
    settings: ['norm', 'steps', 'overshoot', 'finalSearch'],
    make: deepFool,
  },
  fab: {
    summary: 'smallest perturbation, along the boundary (fast adaptive boundary)',
    norms: ALL,
    settings: ['norm', 'steps', 'targets', 'finalSearch'],
    make: ({ norm, steps, targets, finalSearch }) => fab({ norm, steps, targets, finalSearch }),
  },
  'carlini-wagner': {
    summary: 'smallest perturbation, margin against squared distance',
    norms: ['l2'],
    settings: ['steps', 'confidence', 'finalSearch'],
    make: carliniWagner,
  },
  ddn: {
    summary: 'smallest perturbation, on spheres that shrink and grow',
    norms: ['l2'],
    settings: ['steps', 'finalSearch'],
    make: ({ steps, finalSearch }) => ddn({ steps, finalSearch }),
  },
  fmn: {
    summary: 'smallest perturbation, in balls that shrink and grow',
    norms: ALL,
    settings: ['norm', 'steps', 'finalSearch'],
    make: ({ norm, steps, finalSearch }) => fmn({ norm, steps, finalSearch }),
  },
  'auto-attack': {
    summary: 'AutoPGD, targeted AutoPGD, targeted FAB and Square, each on what still stands',
    norms: ALL,
    settings: ['norm', 'steps', 'targets', 'queries'],
    make: ({ norm, steps, targets, queries }) => autoAttack({ norm, steps, targets, queries }),
  },
  square: {
    summary: 'random search in square windows, by scores alone',
    norms: ALL,
    settings: ['norm', 'queries'],
    make: square,
  },
  nes: {
    summary: 'PGD on gradients estimated from scores',
    norms: ALL,
    settings: ['norm', 'steps', 'stepSize', 'samples', 'sigma'],
    make: nes,
  },
  'hop-skip-jump': {
    summary: 'smallest perturbation, by decisions alone',
    norms: TWO,
    settings: ['norm', 'steps', 'samples'],
    make: ({ norm, steps, samples }) =>
      hopSkipJump({ iterations: steps, samples, ...(norm !== undefined && norm !== 'l1' && { norm }) }),
  },
  noise: {
    summary: 'random perturbations; ε of salt-and-pepper is the share of values that it hits',
    norms: ALL,
    settings: ['norm', 'kind', 'draws'],
    make: noise,
  },
  spatial: {
    summary: 'displaced pixels (stAdv); ε in pixels of displacement',
    norms: [],
    settings: ['steps', 'smoothness'],
    make: ({ steps, smoothness }) => spatial({ steps, smoothness }),
  },
  elastic: {
    summary: 'smooth displacements; ε in pixels',
    norms: [],
    settings: UNFORESEEN,
    make: elastic,
  },
  fog: { summary: 'fog; ε is its strength over 255', norms: [], settings: UNFORESEEN, make: fog },
  gabor: { summary: 'Gabor noise; ε is its strength over 255', norms: [], settings: UNFORESEEN, make: gabor },
  snow: { summary: 'snow; ε is its strength', norms: [], settings: UNFORESEEN, make: snow },
  jpeg: {
    summary: 'JPEG coefficients, in a ball of a norm of their own',
    norms: [],
    settings: [...UNFORESEEN, 'coefficientNorm'],
    make: jpeg,
  },
  'frank-wolfe-l1': {
    summary: 'l1 by Frank-Wolfe steps, as the unforeseen attacks have it',
    norms: ['l1'],
    settings: UNFORESEEN,
    make: frankWolfeL1,
  },
  ...studies,
};

/**
 * The settings that a named attack can be given. One that draws nothing would find the same in every restart; one that
 * chooses its targets, or looks for the smallest perturbation, does so by itself.
 */
export function settingsOf(name: string): readonly string[] {
  const entry = Object.hasOwn(catalogue, name) ? catalogue[name] : undefined;
  if (entry === undefined) return [];
  const attack = entry.make({});
  const common = [draws(attack) && 'restarts', attack.name !== 'targeted' && 'target', !isMinimal(attack) && 'minimal'];
  return [...entry.settings, ...common.filter((each) => each !== false)];
}

/** What the settings that are names can be, over all attacks. */
export const choices = {
  norm: ALL,
  loss: ['cross-entropy', 'margin', 'dlr', 'targeted-dlr', 'logit'],
  keep: ['last', 'worst', 'first'],
  kind: ['gaussian', 'uniform', 'corners', 'salt-and-pepper'],
  coefficientNorm: ALL,
  aim: ['random-class', 'away'],
  target: ['runner-up', 'least-likely', 'random', 'all'],
} as const satisfies { readonly [Name in keyof AttackSettings]?: readonly AttackSettings[Name][] };

/** What a setting of a named attack can be; undefined for numbers and for yes or no. */
export function choicesOf(name: string, setting: string): readonly string[] | undefined {
  if (setting === 'norm') return catalogue[name]?.norms;
  if (setting === 'loss')
    return choices.loss.filter((loss) => loss !== (name === 'auto-pgd' ? 'logit' : 'targeted-dlr'));
  return Object.entries(choices).find(([each]) => each === setting)?.[1];
}

/**
 * The attack of a name and settings.
 *
 * @throws UsageError for a name that is not in the catalogue, or a norm that the attack does not know
 * @example attackOf('pgd', { steps: 40, restarts: 5 })
 */
export function attackOf(name: string, settings: AttackSettings = {}): Attack {
  const entry = Object.hasOwn(catalogue, name) ? catalogue[name] : undefined;
  if (entry === undefined)
    throw new UsageError(`there is no attack '${name}': choose from ${Object.keys(catalogue).join(', ')}`);
  const { restarts: runs = 1, target, minimal, ...rest } = settings;
  if (rest.norm !== undefined && entry.norms.length > 0 && !entry.norms.includes(rest.norm))
    throw new UsageError(`'${name}' has no form for ${rest.norm}: choose from ${entry.norms.join(', ')}`);
  const own = Object.entries(rest).filter(
    ([key, value]) => value !== undefined && entry.settings.some((each) => each === key),
  );
  let attack = entry.make(Object.fromEntries(own));
  if (target !== undefined) attack = targeted(attack, target);
  if (runs > 1) attack = restarts(attack, runs);
  return minimal ? minimalEpsilon(attack) : attack;
}
