import type { Attack } from './attack.ts';

/** Whether an attack draws random numbers: one that does not finds the same each time, unless the model is random. */
export function draws(attack: Attack): boolean {
  if (DETERMINISTIC.has(attack.name)) return false;
  if ('randomStart' in attack) return attack.randomStart !== false;
  if (attack.name === 'targeted') return attack.policy === 'random' || draws(attack.attack);
  if ('attack' in attack) return draws(attack.attack);
  if ('attacks' in attack) return attack.attacks.some(draws);
  return true;
}

const DETERMINISTIC: ReadonlySet<string> = new Set([
  'carlini-wagner',
  'ddn',
  'deep-fool',
  'fmn',
  'momentum-fgsm',
  'spatial',
]);
