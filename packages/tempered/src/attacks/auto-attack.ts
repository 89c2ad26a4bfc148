import type { Norm } from '../optimize/ball.ts';
import type { Attack } from './attack.ts';
import { autoPgd } from './auto-pgd.ts';
import { fab } from './fab.ts';
import type { Stage } from './in-stages.ts';
import { searchInTurn } from './in-turn.ts';
import { restarts } from './restarts.ts';
import type { Search } from './search.ts';
import { checkCounts } from './settings.ts';
import { square } from './square.ts';

export interface AutoAttack {
  readonly name: 'auto-attack';
  readonly norm: Norm;
  /** Of each AutoPGD run and each FAB target. */
  readonly steps: number;
  /** Runs of AutoPGD on the cross-entropy. */
  readonly restarts: number;
  /** Classes that AutoPGD on the targeted DLR aims at. */
  readonly targets: number;
  /** Classes that FAB aims at. */
  readonly fabTargets: number;
  /** Of Square. */
  readonly queries: number;
  /** Attacks that run before the published four. */
  readonly before: readonly Attack[];
}

export interface AutoAttackOptions {
  /** Default `'linf'`. */
  norm?: Norm;
  /** Default 100. */
  steps?: number;
  /** Default 1; in l1, 5. */
  restarts?: number;
  /** Default 9; in l1, 5. */
  targets?: number;
  /** Default 9. */
  fabTargets?: number;
  /** Default 5000. */
  queries?: number;
  /**
   * Default none, as published. The four do not contain any other attack: what PGD finds, they may miss. With
   * `[pgd({ steps: 200, keep: 'first' })]`, the ensemble finds whatever that finds.
   */
  before?: readonly Attack[];
}

/**
 * AutoAttack, version standard: AutoPGD on the cross-entropy, AutoPGD on the targeted DLR, targeted FAB and Square, each
 * on the images that still stand, with the published budgets. Croce & Hein 2020, §5; in l1, Croce & Hein 2021. Networks of
 * three classes or less get other losses: see `autoAttackStages`.
 *
 * @throws UsageError for budgets that are not whole numbers above 0
 * @example
 * const { success } = await perturb(classifier, autoAttack({ norm: 'l2' }), { images, labels, epsilon: 0.5 });
 */
export function autoAttack({
  norm = 'linf',
  steps = 100,
  restarts = norm === 'l1' ? 5 : 1,
  targets = norm === 'l1' ? 5 : 9,
  fabTargets = 9,
  queries = 5000,
  before = [],
}: AutoAttackOptions = {}): AutoAttack {
  checkCounts('AutoAttack', { steps, restarts, targets, fabTargets, queries }, 1);
  return { name: 'auto-attack', norm, steps, restarts, targets, fabTargets, queries, before };
}

export interface AutoAttackStages {
  readonly stages: readonly Stage[];
  /** In what, and why, they differ from the published ensemble; empty for ten classes and the default budgets. */
  readonly differences: readonly string[];
}

/**
 * The attacks that AutoAttack consists of for a number of classes, for `attackInStages`, which can be resumed, and for
 * tables. DLR compares three classes and its targeted form four: with three classes, the second attack is AutoPGD on the
 * untargeted DLR; with two, on the margin, which orders images as the cross-entropy does, but does not underflow.
 */
export function autoAttackStages(attack: AutoAttack, classes: number): AutoAttackStages {
  const { norm, steps, queries, before } = attack;
  const others = Math.max(1, classes - 1);
  const [targets, fabTargets] = [Math.min(attack.targets, others), Math.min(attack.fabTargets, others)];
  const published = autoAttack({ norm });
  const differences = before.map(({ name }) => `${name} runs before the published attacks`);
  for (const key of ['steps', 'restarts', 'targets', 'fabTargets', 'queries'] as const)
    if (attack[key] !== published[key]) differences.push(`${key} is ${attack[key]}, published ${published[key]}`);
  if (classes < 4)
    differences.push(
      `${classes} classes: AutoPGD on the ${classes === 3 ? 'untargeted DLR, since its targeted form compares four' : 'margin, since DLR compares three'}`,
    );
  if (others < attack.targets || others < attack.fabTargets)
    differences.push(`${classes} classes leave ${others} to aim at`);
  const crossEntropy = autoPgd({ norm, steps, loss: 'cross-entropy' });
  const second: Stage =
    classes >= 4
      ? { name: 'APGD-T', attack: autoPgd({ norm, steps, loss: 'targeted-dlr', targets }) }
      : classes === 3
        ? { name: 'APGD-DLR', attack: autoPgd({ norm, steps, loss: 'dlr' }) }
        : { name: 'APGD-margin', attack: autoPgd({ norm, steps, loss: 'margin' }) };
  const stages = [
    ...before.map((attack) => ({ name: attack.name, attack })),
    { name: 'APGD-CE', attack: attack.restarts === 1 ? crossEntropy : restarts(crossEntropy, attack.restarts) },
    second,
    { name: 'FAB-T', attack: fab({ norm, steps, targets: fabTargets }) },
    { name: 'Square', attack: square({ norm, queries, schedule: 10_000 }) },
  ];
  return { stages, differences };
}

export const searchAutoAttack: Search<AutoAttack> = (task, attack, run) => {
  const { stages } = autoAttackStages(attack, task.classifier.classes.length);
  return searchInTurn(task, stages, run);
};
