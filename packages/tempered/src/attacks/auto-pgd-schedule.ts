/** @file When AutoPGD looks at its progress. */
import { scalar } from '../models/batching.ts';
import type { Norm } from '../optimize/ball.ts';
import type { HostTensor } from '../runtime/runtime.ts';

/** ρ of condition 1. */
const RISING_SHARE = 0.75;

/** Momentum α of Croce & Hein 2020, §3.1. */
const MOMENTUM = 0.75;

/**
 * Steps after which progress is checked: intervals of 22 % of all, falling by 3 % to no less than 6 %. Croce & Hein 2020,
 * §3.2, rounded as in the authors' code.
 */
export function checkpoints(steps: number): number[] {
  const part = (share: number) => Math.max(1, Math.floor(share * steps + 1e-9));
  const result: number[] = [];
  for (let interval = part(0.22), at = interval; at <= steps; at += interval) {
    result.push(at);
    interval = Math.max(interval - part(0.03), part(0.06));
  }
  return result;
}

/** In l1 the intervals are all alike: 4 % of all steps. */
function sparsityCheckpoints(steps: number): number[] {
  const interval = Math.max(1, Math.floor(0.04 * steps + 1e-9));
  return Array.from({ length: Math.floor(steps / interval) }, (_, k) => (k + 1) * interval);
}

/** What each iteration is fed: ρ times the steps since the last checkpoint where there is one, and the momentum. */
export function schedule(norm: Norm, steps: number) {
  const at = norm === 'l1' ? sparsityCheckpoints(steps) : checkpoints(steps);
  return (step: number): Record<string, HostTensor> => {
    const index = at.indexOf(step);
    const interval = index < 0 ? -1 : step - (at[index - 1] ?? 0);
    const needed = scalar(index < 0 ? -1 : RISING_SHARE * interval);
    return norm === 'l1' ? { needed } : { needed, alpha: scalar(step === 0 ? 1 : MOMENTUM) };
  };
}
