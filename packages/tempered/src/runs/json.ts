/**
 * A copy of a value as JSON gives it back, so that a result just computed and the same result read from a file are equal.
 *
 * @throws TypeError for what JSON would silently change: NaN, infinities, typed arrays, dates, functions
 */
export function plainCopy<T>(value: T, label: string): { text: string; copy: T } {
  check(value, label);
  const text = JSON.stringify(value, null, 1);
  return { text, copy: JSON.parse(text) };
}

function check(value: unknown, path: string): void {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return;
  if (typeof value === 'number' && Number.isFinite(value)) return;
  if (Array.isArray(value)) {
    value.forEach((item, i) => void check(item, `${path}[${i}]`));
    return;
  }
  if (typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    for (const [key, item] of Object.entries(value)) if (item !== undefined) check(item, `${path}.${key}`);
    return;
  }
  throw new TypeError(`${path} is ${describe(value)}, which a JSON file cannot hold.`);
}

const describe = (value: unknown): string =>
  typeof value === 'object' && value !== null ? `a ${value.constructor?.name ?? 'bare object'}` : String(value);
