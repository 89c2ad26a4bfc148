/** @file C13 and C14: which attacks were run, and how their results are put together. */
import type { Attack } from '../../attacks/attack.ts';
import { formatEpsilon } from '../../epsilon.ts';
import type { Ledger } from '../ledger.ts';
import { correctIn } from './accuracy.ts';
import { isTargeted, isUntargeted } from './attack-kinds.ts';
import { check, type HonestyCheck, ofCount } from './check.ts';

export function bothGoals(attacks: Readonly<Record<string, Attack>>, classes: number): HonestyCheck {
  const all = Object.values(attacks);
  const [targeted, untargeted] = [all.filter(isTargeted).length, all.filter(isUntargeted).length];
  const evidence = `${untargeted} untargeted and ${targeted} targeted attacks`;
  if (targeted > 0 && untargeted > 0) return check('C13', 'pass', evidence);
  if (classes <= 2) return check('C13', 'not applicable', `${evidence}: of two classes, both are one`);
  return check('C13', 'warn', evidence, {
    advice:
      targeted > 0
        ? 'add an attack that takes any wrong class: pgd, or an unforeseen attack with aim=away'
        : 'add a targeted attack: aiming at each likely class in turn finds what untargeted attacks miss, even on linear models',
  });
}

export function worstOfEachImage({ labels, underAttack }: Ledger): HonestyCheck {
  const several = underAttack.filter(({ byAttack }) => Object.keys(byAttack).length > 1);
  if (several.length === 0) return check('C14', 'not applicable', 'there is one attack');
  const rows = several.map((found) => {
    const attacks = Object.values(found.byAttack);
    return {
      epsilon: found.epsilon,
      reported: correctIn(found),
      eachImage: labels.filter((_, i) => attacks.every(({ rank }) => rank[i] === 0)).length,
      bestAttack: Math.min(...attacks.map(correctIn)),
    };
  });
  const wrong = rows.find(({ reported, eachImage }) => reported !== eachImage);
  if (wrong)
    return check(
      'C14',
      'fail',
      `at ε ${formatEpsilon(wrong.epsilon)}, ${wrong.reported} images are reported robust, but ${wrong.eachImage} withstand every attack`,
      {
        advice: 'count an image as robust where no attack breaks it',
        data: { rows },
      },
    );
  const { epsilon, eachImage, bestAttack } = rows.reduce((a, b) =>
    b.bestAttack - b.eachImage > a.bestAttack - a.eachImage ? b : a,
  );
  return check(
    'C14',
    'pass',
    `an image is robust where no attack breaks it: ${ofCount(eachImage, labels.length)} at ε ${formatEpsilon(epsilon)}, where the best single attack leaves ${bestAttack}`,
    { data: { rows } },
  );
}
