import { UsageError } from '../errors.ts';
import type { Task } from './explanation.ts';

/** Throws a UsageError when a layer is asked of a method that is of the input alone. */
export function refuseLayer({ layer }: Task, method: string): void {
  if (layer !== undefined)
    throw new UsageError(`${method} explains the input: it has no form for the layer '${layer}'`);
}
