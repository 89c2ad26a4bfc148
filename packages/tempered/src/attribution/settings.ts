/** @file Things made from a name and settings, as command lines write them: `ig:steps=20,baseline=white`. */
import { UsageError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';

/** How the value of a setting is read. */
export interface Setting<T> {
  /** What it can be, for lists and messages: "0.5", "yes|no". */
  readonly values: string;
  /**
   * Undefined for a text that is no such value.
   *
   * @param background images [N, ...] for what compares with a set of them
   */
  read(text: string, background?: Tensor): T | undefined;
}

type Settings = Readonly<Record<string, Setting<unknown>>>;

/** What the settings given hold; those left out have the defaults of whoever is made. */
type ValuesOf<S extends Settings> = { [Name in keyof S]?: S[Name] extends Setting<infer T> ? T : never };

export interface Entry<Made> {
  readonly summary: string;
  /** Other names for it. */
  readonly aliases: readonly string[];
  readonly settings: Settings;
  /**
   * Makes it from settings as they are written.
   *
   * @param background images [N, ...] for what compares with a set of them
   */
  make(texts: Readonly<Record<string, string>>, background?: Tensor): Made;
}

interface EntryOptions<Made, S extends Settings> {
  summary: string;
  aliases?: readonly string[];
  settings?: S;
  make(values: ValuesOf<S>, background?: Tensor): Made;
}

/**
 * An entry of a catalogue.
 *
 * @example
 * entry({ summary: 'mean gradient at noisy copies', settings: { samples: count }, make: smoothGrad })
 */
export function entry<Made, const S extends Settings>(options: EntryOptions<Made, S>): Entry<Made> {
  const { summary, aliases = [], make } = options;
  const settings: Settings = options.settings ?? {};
  return {
    summary,
    aliases,
    settings,
    make: (texts, background) => {
      const values = Object.entries(texts).map(
        ([name, text]) => [name, readSetting(settings[name], name, text, background)] as const,
      );
      // Each value was read by the setting of its name.
      return make(Object.fromEntries(values) as ValuesOf<S>, background);
    },
  };
}

function readSetting(
  setting: Setting<unknown> | undefined,
  name: string,
  text: string,
  background: Tensor | undefined,
): unknown {
  const value = setting?.read(text, background);
  if (value === undefined) throw new UsageError(`the setting '${name}' must be ${setting?.values}, not '${text}'`);
  return value;
}

/** A decimal number, or a fraction such as 8/255. */
function numberOf(text: string): number {
  const [numerator = '', denominator = '1', ...more] = text.split('/').map((part) => part.trim());
  return numerator === '' || denominator === '' || more.length > 0
    ? Number.NaN
    : Number(numerator) / Number(denominator);
}

const numberWhere = (values: string, fits: (value: number) => boolean): Setting<number> => ({
  values,
  read: (text) => {
    const value = numberOf(text);
    return Number.isFinite(value) && fits(value) ? value : undefined;
  },
});

export const anyNumber = numberWhere('a number', () => true);
export const nonNegative = numberWhere('0 or more', (value) => value >= 0);
export const count = numberWhere('a whole number, 1 or more', (value) => Number.isSafeInteger(value) && value >= 1);
/** Above 0, at most 1. */
export const share = numberWhere('above 0 and at most 1', (value) => value > 0 && value <= 1);

/** One of a few names. */
export const oneOf = <const Names extends readonly string[]>(...names: Names): Setting<Names[number]> => ({
  values: names.join('|'),
  read: (text) => names.find((name) => name === text),
});

/** Any text, such as the name of a unit. */
export const anyText: Setting<string> = { values: 'text', read: (text) => (text === '' ? undefined : text) };

export const yesOrNo: Setting<boolean> = {
  values: 'yes|no',
  read: (text) => (text === 'yes' ? true : text === 'no' ? false : undefined),
};

export interface Found<E> {
  /** As it was written. */
  readonly text: string;
  /** As the catalogue has it. */
  readonly name: string;
  readonly entry: E;
  /** By the names of the catalogue. */
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * Finds what a list asks for: names apart by commas or spaces, each with its settings after a colon. A part that sets
 * something without a name before it belongs to the name before.
 *
 * @param what "method"
 * @throws UsageError for a name or setting that is not in the catalogue
 * @example
 * findAll(catalogue, 'method', 'gradient,ig:steps=20,baseline=white,smoothgrad'); // three
 */
export function findAll<E extends Entry<unknown>>(
  catalogue: Readonly<Record<string, E>>,
  what: string,
  text: string,
): Found<E>[] {
  const specs: string[] = [];
  for (const part of text.split(/[\s,]+/).filter(Boolean)) {
    const isSetting = /^[^:]*=/.test(part);
    if (isSetting && specs.length > 0) specs.push(`${specs.pop()},${part}`);
    else specs.push(part);
  }
  return specs.map((spec) => find(catalogue, what, spec));
}

function find<E extends Entry<unknown>>(catalogue: Readonly<Record<string, E>>, what: string, text: string): Found<E> {
  const [written = '', rest = ''] = text.split(/:(.*)/s);
  const wanted = written.toLowerCase();
  const found = Object.entries(catalogue).find(([name, { aliases }]) => name === wanted || aliases.includes(wanted));
  if (found === undefined)
    throw new UsageError(`there is no ${what} '${written}': choose from ${Object.keys(catalogue).join(', ')}`);
  const [name, entry] = found;
  const settings = rest
    .split(',')
    .filter(Boolean)
    .map((part) => {
      const [key = '', value = ''] = part.split(/=(.*)/s);
      const setting = camelCase(key.trim());
      if (!Object.hasOwn(entry.settings, setting)) throw new UsageError(noSetting(written, key, entry));
      return [setting, value.trim()] as const;
    });
  const [repeated] = settings.find(([key], i) => settings.findIndex(([other]) => other === key) !== i) ?? [];
  if (repeated !== undefined) throw new UsageError(`'${text}' sets ${kebabCase(repeated)} twice`);
  return { text, name, entry, settings: Object.fromEntries(settings) };
}

function noSetting(name: string, key: string, { settings }: Entry<unknown>): string {
  const known = Object.keys(settings).map(kebabCase);
  return `'${name}' has no setting '${key}': ${known.length > 0 ? `it has ${known.join(', ')}` : 'it has none'}`;
}

const camelCase = (name: string): string => name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
export const kebabCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
