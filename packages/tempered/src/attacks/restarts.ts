import type { Attack } from './attack.ts';
import { draws } from './draws.ts';
import { searchInTurn } from './in-turn.ts';
import type { Search } from './search.ts';
import { checkCounts } from './settings.ts';

export interface Restarts {
  readonly name: 'restarts';
  readonly attack: Attack;
  readonly restarts: number;
}

/**
 * Runs an attack again, with other random numbers, on the images that it has not yet broken. An attack that looks for the
 * smallest perturbation is run again on all images, and the shortest result counts. An attack that draws no random
 * numbers, on a model that draws none either, would find the same again and is run once.
 *
 * @throws UsageError when the number of runs is not a whole number above 0
 * @example restarts(pgd({ steps: 40 }), 10)
 */
export function restarts(attack: Attack, restarts: number): Restarts {
  checkCounts('restarts', { restarts }, 1);
  return { name: 'restarts', attack, restarts };
}

export const searchRestarts: Search<Restarts> = (task, { attack, restarts }, run) => {
  const varies = draws(attack) || task.classifier.isRandom || task.judge.isRandom;
  return searchInTurn(
    task,
    Array.from({ length: varies ? restarts : 1 }, (_, k) => ({ attack, restart: task.restart * restarts + k })),
    run,
  );
};
