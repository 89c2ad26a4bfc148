/** @file C4, C6 and C16: a stronger attacker must break, image by image, what a weaker one breaks. */
import type { AttackedImages, Ledger } from '../ledger.ts';
import { type AttackKind, isGradientFree, KINDS } from './attack-kinds.ts';
import { check, type HonestyCheck, listed, ofCount, percent } from './check.ts';

/** What attacks of one kind broke, by the number of the image in the data set. */
export interface BrokenImages {
  readonly attack: string;
  readonly kind: AttackKind;
  /** Images that the attack was tried on. */
  readonly tried: readonly number[];
  readonly broken: readonly number[];
}

/** What each attack of a ledger broke at one ε, among the images that were right. */
export function brokenBy(ledger: Ledger, epsilon: number, kindOf: (attack: string) => AttackKind): BrokenImages[] {
  const tried = ledger.labels.flatMap((_, i) => (ledger.natural.rank[i] === 0 ? [i] : []));
  const found = ledger.underAttack.find((at) => at.epsilon === epsilon);
  return Object.entries(found?.byAttack ?? {}).map(([attack, each]: [string, AttackedImages]) => ({
    attack,
    kind: kindOf(attack),
    tried,
    broken: tried.filter((i) => each.rank[i]! > 0),
  }));
}

/** Images by chance: one, or one in a hundred. */
const tolerated = (tried: number): number => Math.max(1, 0.01 * tried);

/** C4: images that one step breaks and many do not. */
export function manyStepsBeatOne(attempts: readonly BrokenImages[]): HonestyCheck {
  const many = attempts.filter(({ kind }) => kind === 'iterative');
  const single = attempts.filter(({ kind }) => kind === 'single-step');
  if (many.length === 0 || single.length === 0)
    return check('C4', 'not applicable', 'there is no pair of a single-step and an iterative attack');
  const examples = missedBy(many, single);
  const tried = new Set(single.flatMap((each) => each.tried)).size;
  const evidence = `${ofCount(examples.length, tried)} images are broken by a single step and by no attack of many`;
  if (examples.length === 0) return check('C4', 'pass', evidence);
  return check('C4', examples.length > tolerated(tried) ? 'fail' : 'warn', `${evidence}: ${listed(examples)}`, {
    advice: 'give the iterative attack a smaller step size, restarts, and the worst iterate (keep worst)',
    data: { examples },
  });
}

/** C6: images that a weaker kind of attack breaks and no stronger kind does. */
export function strongerBreakMore(attempts: readonly BrokenImages[]): HonestyCheck {
  const kinds = KINDS.filter((kind) => kind !== 'single-step' && attempts.some((each) => each.kind === kind));
  if (kinds.length < 2) return check('C6', 'not applicable', 'attacks of one kind only were run');
  const additions = kinds.slice(1).flatMap((kind, k) => {
    const stronger = attempts.filter((each) => kinds.slice(0, k + 1).includes(each.kind));
    return attempts.filter((each) => each.kind === kind).map((weaker) => addedBy(weaker, stronger));
  });
  const examples = additions.flatMap(({ attack, found }) => found.map((image) => ({ image, attack })));
  const compared = kinds.map((kind) => {
    const images = new Set(attempts.filter((each) => each.kind === kind).flatMap((each) => each.tried)).size;
    return `${kind} (${images} images)`;
  });
  const evidence = `compared ${compared.join(' > ')}`;
  if (examples.length === 0) return check('C6', 'pass', `${evidence}: no counter-example`, { data: { additions } });
  const isMore = additions.some(({ found, share }) => found.length > 1 && share > 0.01);
  const counts = additions.filter(({ found }) => found.length > 0).map(inWords);
  return check(
    'C6',
    isMore ? 'fail' : 'warn',
    `${evidence}; ${counts.join('; ')}: ${listed(examples.map(({ image, attack }) => `image ${image} (${attack})`))}`,
    {
      advice: 'the gradient attack misses what is there: take more steps, restarts and other losses',
      data: { examples, additions },
    },
  );
}

/** C16: share of images that only attacks without gradients break, above which figures of gradient attacks are unreliable. */
const UNRELIABLE = 0.002;

export function gradientFreeFindNothing(attempts: readonly BrokenImages[]): HonestyCheck {
  const free = attempts.filter(({ kind }) => isGradientFree(kind));
  const guided = attempts.filter(({ kind }) => !isGradientFree(kind));
  if (free.length === 0 || guided.length === 0)
    return check('C16', 'not applicable', 'there is no pair of attacks with and without gradients');
  const additions = free.map((each) => addedBy(each, guided));
  const share = Math.max(...additions.map((each) => each.share));
  const evidence = additions.map(inWords).join('; ');
  if (share <= UNRELIABLE) return check('C16', 'pass', evidence, { data: { additions } });
  return check(
    'C16',
    'fail',
    `unreliable: ${evidence}; on all images that are right, that would be another ${percent(share)}`,
    {
      advice:
        'gradients are masked, or the gradient attack is too weak: see C7 to C10, and count the gradient-free attack in',
      data: { additions },
    },
  );
}

/** What a weaker attack breaks of the images that stronger ones left standing. */
interface Addition {
  readonly attack: string;
  readonly found: readonly number[];
  /** Standing images that it was tried on, often a few; all that stand, and all that stronger attacks were tried on. */
  readonly tried: number;
  readonly standing: number;
  readonly count: number;
  /** Of all images, what it would break if it were tried on all that stand. */
  readonly share: number;
}

function addedBy(weaker: BrokenImages, stronger: readonly BrokenImages[]): Addition {
  const all = new Set(stronger.flatMap((each) => each.tried));
  const broken = new Set(stronger.flatMap((each) => each.broken));
  const stands = (i: number) => all.has(i) && !broken.has(i);
  const found = weaker.broken.filter(stands).sort((a, b) => a - b);
  const [tried, standing, count] = [weaker.tried.filter(stands).length, [...all].filter(stands).length, all.size];
  const share = tried === 0 ? 0 : (found.length / tried) * (standing / count);
  return { attack: weaker.attack, found, tried, standing, count, share };
}

const inWords = ({ attack, found, tried, standing, count }: Addition): string =>
  `'${attack}' breaks ${found.length} of the ${tried} images that it was tried on and stronger attacks left standing (${ofCount(standing, count)} stand)`;

/** Images that some of `weaker` broke, and none of `stronger`, which tried them. */
function missedBy(stronger: readonly BrokenImages[], weaker: readonly BrokenImages[]): number[] {
  return [...new Set(weaker.flatMap((each) => addedBy(each, stronger).found))].sort((a, b) => a - b);
}
