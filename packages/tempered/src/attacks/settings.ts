/** @file Checks of the numbers that attacks are made with. */
import { UsageError } from '../errors.ts';

type Numbers = Readonly<Record<string, number | readonly number[]>>;

/** Throws a UsageError unless counts are whole numbers, `least` or more. */
export const checkCounts = (attack: string, counts: Numbers, least: 0 | 1): void =>
  checkEach(attack, counts, (count) => Number.isInteger(count) && count >= least, `a whole number, ${least} or more`);

/** Throws a UsageError unless sizes are numbers above 0. */
export const checkSizes = (attack: string, sizes: Numbers): void =>
  checkEach(attack, sizes, (size) => size > 0 && size < Infinity, 'above 0');

/** Throws a UsageError unless amounts are numbers, 0 or more. */
export const checkAmounts = (attack: string, amounts: Numbers): void =>
  checkEach(attack, amounts, (amount) => amount >= 0 && amount < Infinity, '0 or more');

/** Throws a UsageError unless shares are above 0, and at most 1. */
export const checkShares = (attack: string, shares: Numbers): void =>
  checkEach(attack, shares, (share) => share > 0 && share <= 1, 'above 0 and at most 1');

function checkEach(attack: string, numbers: Numbers, fits: (value: number) => boolean, wanted: string): void {
  for (const [what, value] of Object.entries(numbers))
    for (const each of typeof value === 'number' ? [value] : value)
      if (!fits(each)) throw new UsageError(`${attack}: ${what} must be ${wanted}, not ${each}`);
}
