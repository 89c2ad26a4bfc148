/** @file Attacks by name and settings, as command lines and configuration files write them: `pgd:steps=40,loss=margin`. */
import { UsageError } from '../errors.ts';
import type { ObjectiveName } from '../objectives/objectives.ts';
import type { Norm } from '../optimize/ball.ts';
import type { Attack } from './attack.ts';
import { fgsm } from './fgsm.ts';
import { type Pgd, pgd } from './pgd.ts';
import { restarts } from './restarts.ts';

/** Every setting that some attack has. */
export interface AttackSettings {
  norm?: Norm;
  loss?: ObjectiveName;
  steps?: number;
  /** In pixel units. */
  stepSize?: number;
  randomStart?: boolean;
  keep?: Pgd['keep'];
  /** For every attack: runs that many times, again only on images that still stand. */
  restarts?: number;
}

type SettingName = Exclude<keyof AttackSettings, 'restarts'>;

interface Entry {
  readonly summary: string;
  readonly norms: readonly Norm[];
  /** The settings that the attack looks at. */
  readonly settings: readonly SettingName[];
  make(settings: AttackSettings): Attack;
}

/** The attacks by the names that users write. */
export const catalogue: Readonly<Record<string, Entry>> = {
  fgsm: {
    summary: 'one step along the sign of the gradient',
    norms: ['linf', 'l2'],
    settings: ['norm', 'loss'],
    make: fgsm,
  },
  pgd: {
    summary: 'projected gradient descent',
    norms: ['linf', 'l2'],
    settings: ['norm', 'loss', 'steps', 'stepSize', 'randomStart', 'keep'],
    make: pgd,
  },
};

/** The settings that a named attack can be given. */
export const settingsOf = (name: string): readonly string[] => [...(catalogue[name]?.settings ?? []), 'restarts'];

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
  const { restarts: runs = 1, ...rest } = settings;
  if (rest.norm !== undefined && entry.settings.includes('norm') && !entry.norms.includes(rest.norm))
    throw new UsageError(`'${name}' has no form for ${rest.norm}: choose from ${entry.norms.join(', ')}`);
  const own = Object.fromEntries(Object.entries(rest).filter(([key]) => entry.settings.includes(key as SettingName)));
  const attack = entry.make(own);
  return runs > 1 ? restarts(attack, runs) : attack;
}
