/** @file Building blocks of configuration schemas, and what is wrong with a configuration, for people. */
import { z } from 'zod';
import { UsageError } from '../errors.ts';
import { list } from '../report/format.ts';

/** Every setting of every schema, to guess what a mistyped one was meant to be. */
const settings = new Set<string>();

/** An object without other keys. */
export function record<Shape extends z.core.$ZodShape>(shape: Shape) {
  for (const key of Object.keys(shape)) settings.add(key);
  return z.strictObject(shape);
}

export const names = <const Names extends readonly string[]>(...choices: Names) => z.enum(choices);

/** A number, or text such as "8/255". */
const number = z.union([z.number(), z.string()]).transform((value, context): number => {
  if (typeof value === 'number') return value;
  const [numerator, denominator = '1', ...more] = value.split('/').map((part) => part.trim());
  const result =
    numerator === '' || denominator === '' || more.length > 0 ? Number.NaN : Number(numerator) / Number(denominator);
  if (Number.isFinite(result)) return result;
  context.addIssue({ code: 'custom', message: `must be a number, or a fraction such as "8/255", not ${show(value)}` });
  return z.NEVER;
});

const within = (check: (value: number) => boolean, range: string) =>
  number.refine(check, { error: ({ input }) => `must be ${range}, not ${show(input)}` });

export const numbers = {
  fraction: within((value) => value >= 0, '0 or more'),
  positive: within((value) => value > 0, 'above 0'),
  share: within((value) => value >= 0 && value <= 1, 'from 0 to 1'),
  whole: within((value) => Number.isSafeInteger(value) && value >= 0, 'a whole number, 0 or more'),
  count: within((value) => Number.isSafeInteger(value) && value >= 1, 'a whole number, 1 or more'),
};

/** One of several objects told apart by `name`; the name alone stands for the object with its defaults. */
export function variant<
  const Options extends readonly [z.core.$ZodTypeDiscriminable, ...z.core.$ZodTypeDiscriminable[]],
>(what: string, options: Options) {
  const choices = options.flatMap((option) => [...(option._zod.propValues?.name ?? [])].map(String));
  const union = z.discriminatedUnion('name', options, {
    error: ({ input }) => {
      if (typeof input !== 'object' || input === null)
        return `must be a ${what}, by name or as an object, not ${show(input)}`;
      const problem =
        'name' in input ? `there is no ${what} ${show(input.name)}` : `the name of the ${what} is missing`;
      return `${problem}; there are ${list(choices)}`;
    },
  });
  return z.preprocess((value) => (typeof value === 'string' ? { name: value } : value), union);
}

/**
 * Checks a configuration and fills in its defaults.
 *
 * @param source where it comes from, for messages: a file's name
 * @throws UsageError that names every setting that is wrong, and why
 */
export function parseConfiguration<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  source?: string,
): z.output<Schema> {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const found = result.error.issues.map(({ path, ...issue }) => {
    const place = path.join('.');
    return place === '' ? explain(issue) : `${place}: ${explain(issue)}`;
  });
  throw new UsageError(`${source === undefined ? '' : `${source}: `}${found.join('; ')}`);
}

type Issue = Omit<z.core.$ZodIssue, 'path'>;

function explain(issue: Issue): string {
  const { code, input, message } = issue as Issue & { code: string; input?: unknown };
  if (code === 'unrecognized_keys') {
    const { keys } = issue as Issue & { keys: string[] };
    return keys.map((key) => `there is no setting '${key}'${suggestion(key)}`).join(', and ');
  }
  if (code === 'invalid_value') {
    const { values } = issue as Issue & { values: readonly unknown[] };
    return `must be ${either(values.map(String))}, ${notThis(input)}`;
  }
  if (code === 'invalid_type') {
    const { expected } = issue as Issue & { expected: string };
    return `must be ${article(expected)}, ${notThis(input)}`;
  }
  if (code === 'invalid_union' && message.startsWith('Invalid'))
    return explainUnion(issue as z.core.$ZodIssueInvalidUnion);
  return message;
}

/** What a value might have been, of several simple kinds. */
function explainUnion({ errors, input }: z.core.$ZodIssueInvalidUnion): string {
  const kinds = errors.flat().flatMap((each) => {
    if (each.code === 'invalid_value') return each.values.map(String);
    // A fraction is text as well as a number is one.
    return each.code === 'invalid_type' && each.expected !== 'string' ? [article(each.expected)] : [];
  });
  return `must be ${either(kinds)}, ${notThis(input)}`;
}

const notThis = (input: unknown): string => (input === undefined ? 'and is missing' : `not ${show(input)}`);

const either = (items: readonly string[]): string =>
  items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} or ${items.at(-1)}`;

const article = (type: string): string => (/^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`);

function suggestion(key: string): string {
  if (settings.has(key)) return ' here';
  const typed = key.toLowerCase();
  const near = [...settings].map((setting) => ({ setting, distance: edits(typed, setting.toLowerCase()) }));
  const best = near.reduce((a, b) => (b.distance < a.distance ? b : a));
  const meant =
    best.distance <= Math.max(1, key.length / 3)
      ? best.setting
      : [...settings].find((setting) => typed.length > 2 && setting.toLowerCase().startsWith(typed));
  return meant === undefined ? '' : `; did you mean '${meant}'?`;
}

/** Levenshtein's distance. */
function edits(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++)
      row.push(Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + Number(a[i - 1] !== b[j - 1])));
    previous = row;
  }
  return previous[b.length]!;
}

const show = (value: unknown): string => JSON.stringify(value) ?? String(value);
