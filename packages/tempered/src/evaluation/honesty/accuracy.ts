/** @file C1 and C17: what stands beside a robust accuracy. */
import { formatEpsilon } from '../../epsilon.ts';
import { normalQuantile } from '../../random.ts';
import type { Interval } from '../../statistics.ts';
import type { Ledger } from '../ledger.ts';
import { check, type HonestyCheck, ofCount, percent } from './check.ts';

/** Images that are classified right: without attack, or under it. */
export const correctIn = ({ rank }: { readonly rank: readonly number[] }): number =>
  rank.filter((above) => above === 0).length;

/** Accuracy is told from guessing by twice the standard error that guessing would have. */
export function cleanAccuracy({ labels, natural, underAttack }: Ledger, classes: number): HonestyCheck {
  const count = labels.length;
  if (count === 0) return check('C1', 'not applicable', 'no image was evaluated');
  const right = correctIn(natural);
  const share = right / count;
  const robust = underAttack
    .filter(({ epsilon }) => epsilon > 0)
    .map((found) => `${percent(correctIn(found) / count)} at ${formatEpsilon(found.epsilon)}`);
  const evidence = `clean ${percent(share)} (${ofCount(right, count)}), robust ${robust.join(', ') || 'not measured'}; success rates count the ${right} images that are right without attack`;
  const data = { right, count };
  const chance = 1 / classes;
  const reach = 2 * Math.sqrt((chance * (1 - chance)) / count);
  if (share > chance + reach) return check('C1', 'pass', evidence, { data });
  const where = share < chance - reach ? 'below' : 'near';
  return check('C1', share <= chance ? 'fail' : 'warn', evidence, {
    advice: `clean accuracy is ${where} chance (${percent(chance)} ± ${percent(reach)}): check preprocessing (mean and std), the order of the classes and the data set`,
    data,
  });
}

/** The score interval of a proportion (Wilson 1927). */
export function wilson(successes: number, trials: number, confidence = 0.95): Interval {
  const z = normalQuantile(1 - (1 - confidence) / 2);
  const share = successes / trials;
  const scale = 1 + z ** 2 / trials;
  const centre = (share + z ** 2 / (2 * trials)) / scale;
  const reach = (z / scale) * Math.sqrt((share * (1 - share)) / trials + z ** 2 / (4 * trials ** 2));
  return { lower: Math.max(0, centre - reach), upper: Math.min(1, centre + reach) };
}

/** Half an interval this wide, and no wider, tells models apart that differ by ten points. */
const WIDEST = 0.05;

export function enoughImages({ labels, natural, underAttack }: Ledger): HonestyCheck {
  const count = labels.length;
  if (count === 0) return check('C17', 'not applicable', 'no image was evaluated');
  const intervals = [natural, ...underAttack].map((judged) => wilson(correctIn(judged), count));
  const reach = Math.max(...intervals.map(({ lower, upper }) => (upper - lower) / 2));
  const evidence = `${count} images: the widest 95 % interval (Wilson) is ± ${percent(reach)}`;
  if (reach <= WIDEST) return check('C17', 'pass', evidence, { data: { count, reach } });
  return check('C17', 'warn', evidence, {
    advice: `take about ${Math.ceil((count * (reach / WIDEST) ** 2) / 100) * 100} images to know accuracy to 5 points`,
    data: { count, reach },
  });
}
