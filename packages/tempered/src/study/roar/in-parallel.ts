import type { Runtime } from '../../runtime/runtime.ts';

/**
 * Gives every item to the next engine that is free. One engine works on one item at a time, so that results do not depend
 * on how many there are.
 *
 * @param onDone called with the number of items that are done
 * @returns results in the order of the items
 * @throws what the first failing item threw, once the others that were under way have ended; no further item is begun
 */
export async function inParallel<Item, Result>(
  runtimes: readonly Runtime[],
  items: readonly Item[],
  work: (item: Item, runtime: Runtime) => Promise<Result>,
  onDone?: (done: number) => void,
): Promise<Result[]> {
  const results: Result[] = [];
  const errors: unknown[] = [];
  let next = 0;
  let done = 0;
  const serve = async (runtime: Runtime): Promise<void> => {
    while (next < items.length && errors.length === 0) {
      const index = next++;
      try {
        results[index] = await work(items[index]!, runtime);
        done += 1;
        onDone?.(done);
      } catch (error) {
        errors.push(error);
      }
    }
  };
  await Promise.all(runtimes.map(serve));
  if (errors.length > 0) throw errors[0];
  return results;
}
