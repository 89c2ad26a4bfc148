/** @file Training methods as plain data: what is fed to the loss. */
import type { Pgd } from '../attacks/pgd.ts';

export type TrainingMethod =
  | { readonly name: 'standard' }
  | {
      readonly name: 'adversarial';
      /** Keeping the last iterate. */
      readonly attack: Pgd;
      /** Radius at the end of the warm-up, in pixel units. */
      readonly epsilon: number;
      /** Share of the training, 0 to 1, over which ε grows linearly from 0. */
      readonly warmup: number;
    };

export const standard = (): TrainingMethod => ({ name: 'standard' });

/**
 * Every batch is replaced by its adversarial examples under the current weights. Madry et al. 2018, §2.1. While the
 * examples are made, batch normalisation uses its running statistics (evaluation mode); the training step on them uses
 * those of the batch. Some published trainings attack in training mode instead.
 */
export function adversarial({
  attack,
  epsilon,
  warmup = 0,
}: {
  attack: Pgd;
  epsilon: number;
  warmup?: number;
}): TrainingMethod {
  return { name: 'adversarial', attack, epsilon, warmup };
}
