/** @file How much an attack knows: what honesty checks order attacks by. */
import type { Attack } from '../../attacks/attack.ts';

/** From the strongest to the weakest. */
export const KINDS = ['iterative', 'single-step', 'transfer', 'scores', 'decisions', 'random'] as const;

export type AttackKind = (typeof KINDS)[number];

const KNOWN: Readonly<Partial<Record<Attack['name'], AttackKind>>> = {
  fgsm: 'single-step',
  square: 'scores',
  nes: 'scores',
  'hop-skip-jump': 'decisions',
  noise: 'random',
};

/** The kind of an attack; of a combinator, the strongest of what it combines. Gradient attacks of any number of steps above 1 are iterative. */
export function kindOf(attack: Attack): AttackKind {
  const parts = partsOf(attack);
  if (parts.length > 0) return KINDS.find((kind) => parts.some((part) => kindOf(part) === kind))!;
  return KNOWN[attack.name] ?? 'iterative';
}

export const isGradientFree = (kind: AttackKind): boolean => ['scores', 'decisions', 'random'].includes(kind);

/** Whether an attack, or one that it combines, aims at classes. */
export const isTargeted = (attack: Attack): boolean =>
  attack.name === 'targeted' || ('targeted' in attack && attack.targeted === true) || partsOf(attack).some(isTargeted);

/** Whether an attack, or one that it combines, takes any wrong class. */
export const isUntargeted = (attack: Attack): boolean =>
  partsOf(attack).length > 0 && attack.name !== 'targeted' ? partsOf(attack).some(isUntargeted) : !isTargeted(attack);

/** What a combinator combines; nothing for an attack that stands for itself. */
function partsOf(attack: Attack): readonly Attack[] {
  if ('attack' in attack) return [attack.attack];
  if ('attacks' in attack) return attack.attacks;
  return [];
}
