/** @file C5: whether the attack had done all it could. */
import { type Attack, isMinimal } from '../../attacks/attack.ts';
import { restarts } from '../../attacks/restarts.ts';
import type { Norm } from '../../optimize/ball.ts';
import { check, type HonestyCheck, percent } from './check.ts';

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

/** @param whyNot in place of a measurement: why there is none */
export function hasConverged(measured: Doubled | { readonly whyNot: string }): HonestyCheck {
  if ('whyNot' in measured) return check('C5', 'not applicable', measured.whyNot);
  const { attack, count, broken, more } = measured;
  const evidence = `twice the steps and restarts of '${attack}' break ${more} of ${count - broken} images that stood, ${percent(more / count)} of the ${count} looked at, all of them right without attack`;
  const data = { ...measured };
  if (more / count < 0.005) return check('C5', 'pass', evidence, { data });
  return check('C5', more > 0.05 * count ? 'fail' : 'warn', evidence, {
    advice: 'take more steps and restarts until robust accuracy no longer falls',
    data,
  });
}

/** Why the strongest attack with gradients cannot be run twice as hard here; undefined where it can. */
export function whyNotDoubled(main: Attack | undefined, norm: Norm | undefined, images: number): string | undefined {
  if (images === 0) return 'no image is right without attack';
  if (norm === undefined) return 'not measured: the threat model is no norm ball';
  if (main === undefined) return 'no attack of several steps along gradients was run';
  if (isMinimal(main))
    return 'not measured: the strongest attack looks for smallest perturbations; compare their distances at twice the steps';
  return doubledEffort(main) === undefined ? 'the strongest attack has no number of steps' : undefined;
}
