/** @file C12 and C15: whether attacks return what they found, and whether it keeps to the bounds. */
import type { Attack } from '../../attacks/attack.ts';
import type { Norm } from '../../optimize/ball.ts';
import type { Ledger } from '../ledger.ts';
import { keepsWhatItFinds } from './attack-kinds.ts';
import { check, type HonestyCheck, listed, ofCount, percent } from './check.ts';

/** One attack that returns its last iterate, run once more so that it returns the worst. */
export interface Kept {
  readonly attack: string;
  readonly count: number;
  readonly brokenByLast: number;
  /** Images that an iterate broke, but not the last. */
  readonly lost: number;
}

export function returnsWhatItFound(attacks: Readonly<Record<string, Attack>>, kept: Kept | undefined): HonestyCheck {
  const doubtful = Object.keys(attacks).filter((name) => name !== kept?.attack && !keepsWhatItFinds(attacks[name]!));
  const unmeasured = `${listed(doubtful)} may return an iterate after the worst one, which was not measured`;
  if (kept === undefined)
    return doubtful.length === 0
      ? check('C12', 'pass', 'the attacks return the worst of their iterates, or the first success')
      : check('C12', 'not applicable', unmeasured);
  const { attack, count, brokenByLast, lost } = kept;
  const measured = `'${attack}' returns its last iterate (${brokenByLast} broken); for ${ofCount(lost, count)} images an earlier one was adversarial`;
  const evidence = doubtful.length === 0 ? measured : `${measured}; ${unmeasured}`;
  if (lost === 0) return check('C12', 'pass', evidence);
  return check('C12', lost > 0.05 * count ? 'fail' : 'warn', evidence, {
    advice: 'let the attack return the worst iterate (keep worst)',
    data: { ...kept },
  });
}

/** @param norm that of the ε; undefined where strength is no distance between images */
export function keepsToBounds({ natural, underAttack }: Ledger, norm: Norm | undefined): HonestyCheck {
  const outside = underAttack.flatMap(({ epsilon, byAttack }) =>
    Object.values(byAttack).flatMap(({ distance, rank }) =>
      distance.filter((length, i) => rank[i]! > 0 && natural.rank[i] === 0 && length > epsilon * (1 + 1e-6) + 1e-7),
    ),
  ).length;
  if (norm !== undefined && outside > 0)
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
  const rounded = `${percent(survive / broken)} of ${broken} adversarial images stay so with pixels rounded to 8 bits`;
  const box = 'images that leave [0, 1] are refused before they are judged';
  const data = { broken, survive };
  if (norm === undefined)
    return check('C15', 'not applicable', `the threat model has no norm to measure in; ${box}; ${rounded}`, { data });
  const evidence = `in double precision, all of them lie inside their ball; ${box}; ${rounded}`;
  if (survive >= 0.9 * broken) return check('C15', 'pass', evidence, { data });
  return check('C15', 'warn', evidence, {
    advice: 'as pictures on disk, many of these are harmless: say so, or attack with a slightly larger ε',
    data,
  });
}
