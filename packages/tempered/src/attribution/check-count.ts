import { UsageError } from '../errors.ts';

/** Throws a UsageError unless `value` is a whole number, 1 or more. */
export function checkCount(what: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new UsageError(`${what} must be a whole number, 1 or more, not ${value}`);
}
