/** @file What a run was: enough to repeat it. Plain data. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface Manifest {
  /** The command that made the run: "study". */
  readonly command: string;
  /** Every setting that changes a result, defaults included. A run resumes only under the same configuration. */
  readonly configuration: { readonly [name: string]: Json };
  readonly seeds: { readonly [name: string]: number };
  /** Package, Node, onnxruntime. */
  readonly versions: { readonly [name: string]: string };
  /** Human-readable, as the runtime describes itself. */
  readonly device: string;
  /** SHA-256 of the data, by file or data set. Compared on resume too. */
  readonly dataHashes: { readonly [name: string]: string };
  /** SHA-256 of the models, by file; known only after training. */
  readonly modelHashes: { readonly [name: string]: string };
  /** ISO 8601. */
  readonly startedAt: string;
  /** Absent while the run goes on. */
  readonly finishedAt?: string;
  /** Later processes that went on with the run elsewhere than it began: results may then differ in their last digits. */
  readonly resumedElsewhere?: readonly {
    readonly at: string;
    readonly versions: { readonly [name: string]: string };
    readonly device: string;
  }[];
}

/** Settings as a manifest holds them: those that are not set are left out. */
export function definedSettings(settings: Readonly<Record<string, Json | undefined>>): Record<string, Json> {
  const set: Record<string, Json> = {};
  for (const [name, value] of Object.entries(settings)) if (value !== undefined) set[name] = value;
  return set;
}

export interface Difference {
  /** Dotted: "configuration.training.epochs". */
  readonly setting: string;
  readonly before: Json | undefined;
  readonly now: Json | undefined;
}

const isObject = (value: Json | undefined): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The settings in which two configurations differ, in the order of the first. */
export function differences(before: Json | undefined, now: Json | undefined, setting = ''): Difference[] {
  if (isObject(before) && isObject(now)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(now)]);
    return [...keys].flatMap((key) => differences(before[key], now[key], setting === '' ? key : `${setting}.${key}`));
  }
  return JSON.stringify(before) === JSON.stringify(now) ? [] : [{ setting, before, now }];
}
