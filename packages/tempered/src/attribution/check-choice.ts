import { UsageError } from '../errors.ts';

/** Throws a UsageError, naming the choices, unless `value` is one of them. */
export function checkChoice(what: string, value: string, choices: readonly string[]): void {
  if (!choices.includes(value)) throw new UsageError(`${what} must be ${choices.join(' or ')}, not '${String(value)}'`);
}
