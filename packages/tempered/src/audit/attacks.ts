import type { Attack } from '../attacks/attack.ts';
import { attackOf } from '../attacks/catalogue.ts';
import type { Norm } from '../optimize/ball.ts';
import type { Effort } from './configuration.ts';

/**
 * The attacks of an audit: a single step, many steps on two losses and toward a class, and one without gradients, so that each can show
 * where another fails; with more effort AutoAttack.
 */
export function auditAttacks(effort: Effort, norm: Norm): Record<string, Attack> {
  const steps = { quick: 20, standard: 40, full: 100 }[effort];
  const queries = { quick: 200, standard: 1000, full: 5000 }[effort];
  return {
    'one step': attackOf('fgsm', { norm }),
    [`PGD-${steps}`]: attackOf('pgd', { norm, steps }),
    [`PGD-${steps}, margin`]: attackOf('pgd', { norm, steps, loss: 'margin' }),
    [`PGD-${steps}, targeted`]: attackOf('pgd', { norm, steps, loss: 'margin', target: 'runner-up' }),
    'random search': attackOf('square', { norm, queries }),
    ...(effort === 'quick' ? {} : { AutoAttack: attackOf('auto-attack', { norm, queries }) }),
  };
}
