import { UsageError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';

/** Throws a UsageError unless every value of something that images are compared with is finite. */
export function checkFinite(what: string, { data }: Tensor): void {
  const at = data.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) throw new UsageError(`${what} has the value ${data[at]}: nothing can be compared with it`);
}
