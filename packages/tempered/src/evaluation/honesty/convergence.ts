/** @file C5: whether the attack had done all it could. */
import type { Attack } from '../../attacks/attack.ts';
import { restarts } from '../../attacks/restarts.ts';
import { check, type HonestyCheck, ofCount, percent } from './check.ts';

/** The same images, attacked as the evaluation did and with twice the steps and restarts. */
export interface Doubled {
  readonly attack: string;
  readonly count: number;
  readonly broken: number;
  /** Images that only the larger effort broke. */
  readonly more: number;
}

/** An attack with twice the steps, run from twice the starts; undefined where it has neither. */
export function doubledEffort(attack: Attack): Attack | undefined {
  const longer = doubledSteps(attack);
  if (longer === attack) return undefined;
  return longer.name === 'restarts' ? { ...longer, restarts: 2 * longer.restarts } : restarts(longer, 2);
}

/** Twice the steps, in everything that a combinator combines; the attack itself where nothing has steps. */
function doubledSteps(attack: Attack): Attack {
  if ('attack' in attack) {
    const longer = doubledSteps(attack.attack);
    return longer === attack.attack ? attack : { ...attack, attack: longer };
  }
  if ('attacks' in attack) {
    const longer = attack.attacks.map(doubledSteps);
    return longer.every((each, i) => each === attack.attacks[i]) ? attack : { ...attack, attacks: longer };
  }
  if (!('steps' in attack)) return attack;
  const steps = 2 * attack.steps;
  // Steps that are a share of ε shrink as they do by default: up to 40 of them in PGD, always in its momentum forms.
  const shorter = attack.name === 'pgd' ? Math.min(40, attack.steps) / Math.min(40, steps) : 1 / 2;
  if ((attack.name === 'pgd' || attack.name === 'momentum-fgsm') && 'relative' in attack.stepSize)
    return { ...attack, steps, stepSize: { relative: attack.stepSize.relative * shorter } };
  return { ...attack, steps };
}

export function hasConverged(doubled: Doubled | undefined): HonestyCheck {
  if (doubled === undefined || doubled.count === 0)
    return check('C5', 'not applicable', 'no attack with a number of steps was run');
  const { attack, count, broken, more } = doubled;
  const evidence = `twice the steps and restarts of '${attack}' break ${more} of ${count - broken} images that stood, and lower accuracy by ${percent(more / count)}`;
  if (more / count < 0.005) return check('C5', 'pass', evidence, { data: { ...doubled } });
  return check('C5', more > 0.05 * count ? 'fail' : 'warn', `${evidence} (${ofCount(more, count)})`, {
    advice: 'take more steps and restarts until robust accuracy no longer falls',
    data: { ...doubled },
  });
}
