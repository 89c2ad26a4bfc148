/** @file How much an attack knows, and where it aims: what honesty checks tell attacks apart by. */
import { type Attack, isMinimal } from '../../attacks/attack.ts';

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

/** The kind of an attack; of a combinator, the strongest of what it combines. Gradient attacks of more than one step are iterative. */
export function kindOf(attack: Attack): AttackKind {
  const parts = partsOf(attack);
  if (parts.length > 0) return KINDS.find((kind) => parts.some((part) => kindOf(part) === kind))!;
  return KNOWN[attack.name] ?? ('steps' in attack && attack.steps <= 1 ? 'single-step' : 'iterative');
}

export const isGradientFree = (kind: AttackKind): boolean => ['scores', 'decisions', 'random'].includes(kind);

/** Whether an attack, or one that it combines, aims at classes. */
export function isTargeted(attack: Attack): boolean {
  switch (attack.name) {
    case 'targeted':
    case 'auto-attack':
      return true;
    case 'auto-pgd':
      return attack.loss === 'targeted-dlr';
    case 'fab':
      return attack.targets > 0;
    default:
      return ('aim' in attack && attack.aim === 'random-class') || partsOf(attack).some(isTargeted);
  }
}

/** Whether an attack, or one that it combines, takes any wrong class. AutoAttack does both. */
export function isUntargeted(attack: Attack): boolean {
  if (attack.name === 'auto-attack') return true;
  const parts = partsOf(attack);
  return parts.length > 0 && attack.name !== 'targeted' ? parts.some(isUntargeted) : !isTargeted(attack);
}

/** Attacks by themselves that return an adversarial image whenever one of their steps has met it. */
const KEEPERS: readonly Attack['name'][] = ['auto-attack', 'auto-pgd', 'fgsm', 'nes', 'noise', 'square'];

/** Whether an attack, and all that it combines, returns an adversarial image whenever it has met one. */
export function keepsWhatItFinds(attack: Attack): boolean {
  const parts = partsOf(attack);
  if (parts.length > 0) return parts.every(keepsWhatItFinds);
  if ('keep' in attack) return attack.keep === 'worst' || attack.keep === 'first';
  return isMinimal(attack) || KEEPERS.includes(attack.name) || kindOf(attack) === 'single-step';
}

/** What a combinator combines; nothing for an attack that stands for itself. */
function partsOf(attack: Attack): readonly Attack[] {
  if ('attack' in attack) return [attack.attack];
  if ('attacks' in attack) return attack.attacks;
  return [];
}
