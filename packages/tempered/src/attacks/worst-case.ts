import { UsageError } from '../errors.ts';
import type { Attack } from './attack.ts';
import { searchInTurn } from './in-turn.ts';
import { isMinimal, normOf } from './norm-of.ts';
import type { Search } from './search.ts';

export interface WorstCase {
  readonly name: 'worst-case';
  readonly attacks: readonly Attack[];
}

/**
 * The worst of several attacks for each image: later attacks get the images that earlier ones have not broken. Of
 * attacks that look for the smallest perturbation, each gets all images and the shortest result counts.
 *
 * @throws UsageError without attacks, or when smallest perturbations under different norms would have to be compared
 * @example worstCase([pgd({ steps: 40 }), square()])
 */
export function worstCase(attacks: readonly Attack[]): WorstCase {
  if (attacks.length === 0) throw new UsageError('worstCase needs at least one attack');
  if (attacks.every(isMinimal) && new Set(attacks.map(normOf)).size > 1)
    throw new UsageError(
      'the smallest perturbations of attacks under different norms cannot be compared: give them one norm',
    );
  return { name: 'worst-case', attacks };
}

export const searchWorstCase: Search<WorstCase> = (task, { attacks }, run) =>
  searchInTurn(
    task,
    attacks.map((attack) => ({ attack })),
    run,
  );
