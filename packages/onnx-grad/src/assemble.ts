/** Joins tables keyed by operator; two entries for one operator are a mistake. */
export function assemble<T>(families: readonly Record<string, T>[], what: string): Record<string, T> {
  const table: Record<string, T> = Object.create(null);
  for (const family of families) {
    for (const [name, entry] of Object.entries(family)) {
      if (name in table) throw new Error(`the ${what} of ${name} is defined twice`);
      table[name] = entry;
    }
  }
  return table;
}
