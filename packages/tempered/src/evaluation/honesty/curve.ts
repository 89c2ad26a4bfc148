/** @file C2 and C3: accuracy against ε, and what becomes of it without a bound. */
import { formatEpsilon } from '../../epsilon.ts';
import type { Norm } from '../../optimize/ball.ts';
import { isExhausted } from '../curve.ts';
import type { Ledger } from '../ledger.ts';
import { correctIn } from './accuracy.ts';
import { check, type HonestyCheck, listed, ofCount, percent } from './check.ts';

export function fallingCurve({ labels, underAttack }: Ledger, classes: number): HonestyCheck {
  const curve = underAttack.toSorted((a, b) => a.epsilon - b.epsilon);
  if (curve.length < 2)
    return check('C2', 'not applicable', `measured at ${curve.length === 1 ? 'one ε' : 'no ε'}`, {
      advice: 'give several ε, up to one where nothing is left',
    });
  const rises = curve.flatMap((found, k) => {
    const gained = k === 0 ? 0 : correctIn(found) - correctIn(curve[k - 1]!);
    return gained > 0 ? [{ epsilon: found.epsilon, images: gained }] : [];
  });
  const last = curve.at(-1)!;
  const end = `${percent(correctIn(last) / labels.length)} at ε ${formatEpsilon(last.epsilon)}`;
  const worst = Math.max(0, ...rises.map(({ images }) => images));
  if (worst > 0) {
    const where = rises.map(({ epsilon, images }) => `by ${images} images up to ε ${formatEpsilon(epsilon)}`);
    return check('C2', worst > 0.01 * labels.length ? 'fail' : 'warn', `robust accuracy rises ${listed(where)}`, {
      advice:
        'a larger ball holds the smaller one: the attack fails to find what it found before; take more steps, or read masked gradients below',
      data: { rises },
    });
  }
  if (isExhausted(last, classes)) return check('C2', 'pass', `it never rises with ε, and ends at ${end}`);
  return check('C2', 'warn', `it never rises with ε, but the curve ends at ${end}`, {
    advice: 'add larger ε until accuracy is 0 or no better than chance: a curve that stays up shows a broken attack',
  });
}

/** What an attack without a bound left standing, of images that were right. */
export interface Unbounded {
  readonly broken: number;
  readonly count: number;
}

export function breaksUnbounded(
  { labels, underAttack }: Ledger,
  classes: number,
  norm: Norm | undefined,
  unbounded: Unbounded | undefined,
): HonestyCheck {
  const advice =
    'an attack that fails without a bound is broken or blinded: no robust accuracy that it gives can be believed';
  // Any image and uniform grey are at most 1/2 apart in linf: what is right there is right for grey, one class at best.
  const half = norm === 'linf' ? underAttack.find(({ epsilon }) => epsilon >= 0.5) : undefined;
  const largest = Math.max(...Array.from({ length: classes }, (_, k) => labels.filter((label) => label === k).length));
  if (half && correctIn(half) > largest)
    return check(
      'C3',
      'fail',
      `${ofCount(correctIn(half), labels.length)} images stand at linf ${formatEpsilon(half.epsilon)}, where all can be made the same grey`,
      { advice },
    );
  if (unbounded === undefined || unbounded.count === 0)
    return check('C3', 'not applicable', 'the threat model has no radius, or no image is right without attack');
  const { broken, count } = unbounded;
  const evidence = `PGD over the whole box breaks ${ofCount(broken, count)} images`;
  if (broken === count) return check('C3', 'pass', evidence);
  return check('C3', broken < 0.95 * count ? 'fail' : 'warn', evidence, { advice, data: { broken, count } });
}
