/** @file Node only. The folder that one run writes: manifest, metrics, models, images, tables, report, finished steps. */

import { access, appendFile, constants, mkdir, readdir, readFile, stat, truncate } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DataError, UsageError } from '../errors.ts';
import { isUnfinished, removeUnfinished, writeFileAtomic } from './atomic.ts';
import { type CsvValue, toCsv } from './csv.ts';
import { plainCopy } from './json.ts';
import { type Difference, differences, type Manifest } from './manifest.ts';

/** What the caller knows when a run starts; the rest of the manifest is filled in. */
export type ManifestStart = Omit<Manifest, 'startedAt' | 'finishedAt' | 'modelHashes' | 'resumedElsewhere'> &
  Partial<Pick<Manifest, 'modelHashes'>>;

export interface StepOptions {
  /** Files, relative to the run, that the step writes; it is done again when one is gone. */
  files?: readonly string[];
}

/** An open run folder. */
export interface Run {
  /** Absolute. */
  readonly folder: string;
  readonly manifest: Manifest;
  /** Whether the folder held an earlier, unfinished or finished, run of the same configuration. */
  readonly resumed: boolean;
  path(...parts: string[]): string;
  /** Writes a file of the run, whole or not at all, and returns its path: `write('models/robust.onnx', bytes)`. */
  write(file: string, content: string | Uint8Array): Promise<string>;
  /** Writes `tables/<name>.csv`. */
  writeTable(name: string, rows: readonly Readonly<Record<string, CsvValue>>[]): Promise<string>;
  /** Appends one line to `metrics.jsonl`. A step that is done again after a kill appends again. */
  appendMetric(metric: object): Promise<void>;
  /**
   * The result of a named piece of work: computed and stored under `steps/` the first time, read the next.
   * Results are JSON; both times the caller gets what JSON gives back.
   *
   * @example const accuracy = await run.step('attack-robust-8-255', () => evaluate(robust))
   */
  step<T>(name: string, compute: () => Promise<T>, options?: StepOptions): Promise<T>;
  /** Adds to the manifest: hashes of models, the time of the end. */
  update(changes: Partial<Pick<Manifest, 'modelHashes' | 'finishedAt'>>): Promise<void>;
}

/**
 * Opens a run folder: a new one, or one to resume. A run without any result yet is replaced.
 *
 * @param folder made when it is missing
 * @throws UsageError when the folder holds a run of another configuration (names the setting), holds other files,
 *   or cannot be written
 *
 * @example
 * const run = await openRun('runs/shapes', { manifest });
 * const history = await run.step('train-standard', () => train(options));
 */
export async function openRun(folder: string, { manifest: start }: { manifest: ManifestStart }): Promise<Run> {
  const root = resolve(folder);
  const earlier = await prepare(root, folder);
  if (earlier) refuseOtherRun(earlier, start, folder);
  const now = new Date().toISOString();
  let manifest: Manifest = earlier ? noteOrigin(earlier, start, now) : { modelHashes: {}, ...start, startedAt: now };
  const path = (...parts: string[]) => join(root, ...parts);
  const saveManifest = () => writeFileAtomic(path('manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  if (manifest !== earlier) await saveManifest();
  await dropTornLine(path('metrics.jsonl'));

  return {
    folder: root,
    get manifest() {
      return manifest;
    },
    resumed: earlier !== undefined,
    path,
    async write(file, content) {
      await writeFileAtomic(path(file), content);
      return path(file);
    },
    async writeTable(name, rows) {
      const file = path('tables', `${name}.csv`);
      await writeFileAtomic(file, toCsv(rows));
      return file;
    },
    appendMetric: (metric) => appendFile(path('metrics.jsonl'), `${JSON.stringify(metric)}\n`),
    async step<T>(name: string, compute: () => Promise<T>, { files = [] }: StepOptions = {}): Promise<T> {
      const file = path('steps', stepFileName(name));
      if (await allExist([file, ...files.map((each) => path(each))])) return readJson<T>(file);
      const { text, copy } = plainCopy(await compute(), `The result of step "${name}"`);
      await writeFileAtomic(file, `${text}\n`);
      return copy;
    },
    async update(changes) {
      const modelHashes = { ...manifest.modelHashes, ...changes.modelHashes };
      manifest = { ...manifest, ...changes, modelHashes };
      await saveManifest();
    },
  };
}

/** Makes the folder ready and returns the manifest of an earlier run in it, if that has written anything yet. */
async function prepare(root: string, shown: string): Promise<Manifest | undefined> {
  try {
    await mkdir(root, { recursive: true });
    await access(root, constants.W_OK);
    const names = await readdir(root);
    const started = names.includes('manifest.json');
    const hasResults = names.some((name) => name !== 'manifest.json' && !isUnfinished(name));
    if (started || !hasResults) {
      await removeUnfinished(root);
      // A run that stopped before its first result has nothing to protect: its command may have been corrected since.
      return started && hasResults ? await readJson<Manifest>(join(root, 'manifest.json')) : undefined;
    }
  } catch (error) {
    if (error instanceof DataError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`The folder ${shown} cannot be written: ${reason}. Choose another --out.`, { cause: error });
  }
  throw new UsageError(`The folder ${shown} is not empty and holds no run. Choose another --out.`);
}

/** Adds where the run goes on, unless that is where it was last. */
function noteOrigin(earlier: Manifest, { versions, device }: ManifestStart, at: string): Manifest {
  const last = earlier.resumedElsewhere?.at(-1) ?? earlier;
  const isSame = differences({ versions: last.versions, device: last.device }, { versions, device }).length === 0;
  if (isSame) return earlier;
  return { ...earlier, resumedElsewhere: [...(earlier.resumedElsewhere ?? []), { at, versions, device }] };
}

const LONGEST = 80;

/** A value in a sentence: cut where it would fill the screen. */
function show(value: Difference['before']): string {
  if (value === undefined) return 'not set';
  const text = JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)} …` : text;
}

/** Of long lists, the first entry that differs, counted from 1: the whole lists would hide it. */
function innermost(difference: Difference): Difference {
  const { setting, before, now } = difference;
  if (!Array.isArray(before) || !Array.isArray(now)) return difference;
  if ([before, now].every((list) => JSON.stringify(list).length <= LONGEST)) return difference;
  for (let k = 0; k < Math.max(before.length, now.length); k++) {
    const [inner] = differences(before[k], now[k], `${setting}.${k + 1}`);
    if (inner) return innermost(inner);
  }
  return difference;
}

function refuseOtherRun(earlier: Manifest, now: ManifestStart, folder: string): void {
  const compared = ({ command, configuration, seeds, dataHashes }: ManifestStart) => ({
    command,
    ...configuration,
    seeds,
    dataHashes,
  });
  const [difference, ...more] = differences(compared(earlier), compared(now));
  if (!difference) return;
  const first = innermost(difference);
  const others = more.length > 0 ? ` (and ${more.length} more)` : '';
  throw new UsageError(
    `The folder ${folder} holds a run with other settings: ${first.setting} was ${show(first.before)}, ` +
      `now ${show(first.now)}${others}. Choose another --out.`,
  );
}

async function readJson<T>(file: string): Promise<T> {
  const text = await readFile(file, 'utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DataError(`${file} is damaged: it is not JSON. Delete it to do its work again.`, { cause: error });
  }
}

async function allExist(files: readonly string[]): Promise<boolean> {
  const found = await Promise.all(
    files.map((file) =>
      access(file).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.every(Boolean);
}

/** A kill can leave a last line without its end; later lines would be glued to it. */
async function dropTornLine(file: string): Promise<void> {
  if (!(await allExist([file])) || (await stat(file)).size === 0) return;
  const bytes = await readFile(file);
  const end = bytes.lastIndexOf('\n') + 1;
  if (end < bytes.length) await truncate(file, end);
}

/** Only what every file system keeps apart: some ignore case, some refuse punctuation. */
function stepFileName(name: string): string {
  if (!/^[a-z0-9][a-z0-9._-]*$/.test(name))
    throw new TypeError(`The step name "${name}" may hold only a-z, 0-9, dot, underscore and hyphen.`);
  return `${name}.json`;
}
