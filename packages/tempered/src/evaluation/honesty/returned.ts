/** @file C12 and C15: whether attacks return what they found, and whether it keeps to the bounds. */
import type { Ledger } from '../ledger.ts';
import { check, type HonestyCheck, ofCount, percent } from './check.ts';

/** One attack that returns its last iterate, run once more so that it returns the worst. */
export interface Kept {
  readonly attack: string;
  readonly count: number;
  readonly brokenByLast: number;
  /** Images that an iterate broke, but not the last. */
  readonly lost: number;
}

export function returnsWhatItFound(kept: Kept | undefined): HonestyCheck {
  if (kept === undefined)
    return check('C12', 'pass', 'the attacks return the worst of their iterates, or the first success');
  const { attack, count, brokenByLast, lost } = kept;
  const evidence = `'${attack}' returns its last iterate (${brokenByLast} broken); for ${ofCount(lost, count)} images an earlier one was adversarial`;
  if (lost === 0) return check('C12', 'pass', evidence);
  return check('C12', lost > 0.05 * count ? 'fail' : 'warn', evidence, {
    advice: 'let the attack return the worst iterate (keep worst)',
    data: { ...kept },
  });
}

export function keepsToBounds({ natural, underAttack }: Ledger): HonestyCheck {
  const outside = underAttack.flatMap(({ epsilon, byAttack }) =>
    Object.values(byAttack).flatMap(({ distance, rank }) =>
      distance.filter((length, i) => rank[i]! > 0 && natural.rank[i] === 0 && length > epsilon * (1 + 1e-6) + 1e-7),
    ),
  ).length;
  if (outside > 0)
    return check('C15', 'fail', `${outside} adversarial images lie outside their ball`, {
      advice: 'this is a fault of the attack: please report it',
    });
  const broken = underAttack.reduce(
    (sum, { rank }) => sum + rank.filter((above, i) => above > 0 && natural.rank[i] === 0).length,
    0,
  );
  if (broken === 0) return check('C15', 'not applicable', 'no image was broken');
  const survive = underAttack.reduce(
    (sum, { survivesRounding }) => sum + survivesRounding.reduce((a, b) => a + b, 0),
    0,
  );
  const evidence = `in double precision, all ${broken} adversarial images lie inside ball and box; ${percent(survive / broken)} stay adversarial with pixels rounded to 8 bits`;
  if (survive >= 0.9 * broken) return check('C15', 'pass', evidence, { data: { broken, survive } });
  return check('C15', 'warn', evidence, {
    advice: 'as pictures on disk, many of these are harmless: say so, or attack with a slightly larger ε',
    data: { broken, survive },
  });
}
