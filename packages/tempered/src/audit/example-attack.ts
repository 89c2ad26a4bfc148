import { type Attack, isMinimal } from '../attacks/attack.ts';
import { kindOf } from '../evaluation/honesty/attack-kinds.ts';
import type { AccuraciesAtEpsilon } from '../evaluation/summary.ts';

/**
 * The name of the attack that an audit shows pictures of: of the attacks along gradients inside a ball, the one that
 * left fewest images right; without any such attack, of all.
 */
export function exampleAttackOf(
  attacks: Readonly<Record<string, Attack>>,
  at: Pick<AccuraciesAtEpsilon, 'byAttack'> | undefined,
): string {
  const inBall = Object.keys(attacks).filter((name) => {
    const attack = attacks[name]!;
    return kindOf(attack) === 'iterative' && !isMinimal(attack);
  });
  const left = (name: string) => at?.byAttack[name]?.correct ?? 0;
  return (inBall.length > 0 ? inBall : Object.keys(attacks)).reduce((a, b) => (left(b) < left(a) ? b : a));
}
