import type { Norm } from '../optimize/ball.ts';
import type { Attack } from './attack.ts';

/** The norm of an attack's balls and distances; undefined for threat models that are no norm balls, and for a mixture. */
export function normOf(attack: Attack): Norm | undefined {
  if ('norm' in attack) return attack.norm;
  if ('attack' in attack) return normOf(attack.attack);
  if ('attacks' in attack) {
    const [first, ...rest] = attack.attacks.map(normOf);
    return rest.every((norm) => norm === first) ? first : undefined;
  }
  return undefined;
}

/** Whether an attack looks for the smallest perturbation by itself, so that it needs no ε. */
export function isMinimal(attack: Attack): boolean {
  if (MINIMAL.has(attack.name)) return true;
  if ('attack' in attack) return isMinimal(attack.attack);
  if ('attacks' in attack) return attack.attacks.every(isMinimal);
  return false;
}

const MINIMAL: ReadonlySet<string> = new Set([
  'carlini-wagner',
  'ddn',
  'deep-fool',
  'fab',
  'fmn',
  'hop-skip-jump',
  'minimal-epsilon',
]);
