/** @file Node only. What a training measured epoch by epoch: `metrics.jsonl`, `metrics.csv` and a file for TensorBoard. */
import { readIfThere } from '../data/node/files.ts';
import { DataError } from '../errors.ts';
import { type CsvValue, toCsv } from './csv.ts';
import type { Run } from './run.ts';
import { encodeEvents, type ScalarEvent } from './tensorboard.ts';

/** One epoch. Numbers become curves in TensorBoard. */
export type LogRow = Readonly<Record<string, CsvValue>> & {
  readonly epoch: number;
  /** End of the epoch, ISO 8601. */
  readonly finishedAt: string;
};

export interface TrainingLog {
  /** The rows so far, one an epoch. */
  readonly rows: readonly LogRow[];
  /** Adds an epoch. What an earlier process, killed before it could store the epoch's state, wrote of it or later ones is replaced. */
  append(row: LogRow): Promise<void>;
}

/**
 * Opens the log of a run, with what is in its `metrics.jsonl`. All files are written anew, as a whole, after every epoch:
 * none ever holds half an epoch, or one twice.
 *
 * @param tags names of the curves in TensorBoard, by key of a row; other numbers are curves under their own key
 * @throws DataError when `metrics.jsonl` is no log
 */
export async function openTrainingLog(run: Run, tags: Readonly<Record<string, string>> = {}): Promise<TrainingLog> {
  let rows = await readTrainingRows(run.path('metrics.jsonl'));
  const started = Math.floor(Date.parse(run.manifest.startedAt) / 1000);
  return {
    get rows() {
      return rows;
    },
    async append(row) {
      rows = [...rows.filter(({ epoch }) => epoch < row.epoch), row];
      await run.write(`events.out.tfevents.${started}.tempered`, encodeEvents(rows.map((each) => eventOf(each, tags))));
      await run.write('metrics.csv', toCsv(rows));
      // The last one, since it is what a resumed run reads.
      await run.write('metrics.jsonl', rows.map((each) => `${JSON.stringify(each)}\n`).join(''));
    },
  };
}

function eventOf({ epoch, finishedAt, ...figures }: LogRow, tags: Readonly<Record<string, string>>): ScalarEvent {
  const scalars: Record<string, number> = {};
  for (const [key, value] of Object.entries(figures)) if (typeof value === 'number') scalars[tags[key] ?? key] = value;
  return { step: epoch, time: Date.parse(finishedAt) / 1000, scalars };
}

/**
 * The rows of a `metrics.jsonl`; none when there is no such file.
 *
 * @throws DataError when it is no log
 */
export async function readTrainingRows(path: string): Promise<readonly LogRow[]> {
  const bytes = await readIfThere(path);
  const lines = new TextDecoder().decode(bytes).split('\n').filter(Boolean);
  return lines.map((line, i) => {
    const row = parse(line);
    if (isRow(row)) return row;
    throw new DataError(`${path}, line ${i + 1}, is no record of an epoch; delete the file to go on without it`);
  });
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

const isRow = (value: unknown): value is LogRow =>
  typeof value === 'object' &&
  value !== null &&
  'epoch' in value &&
  typeof value.epoch === 'number' &&
  'finishedAt' in value &&
  typeof value.finishedAt === 'string';
