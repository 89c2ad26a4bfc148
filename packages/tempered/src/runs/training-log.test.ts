import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DataError } from '../errors.ts';
import { openRun } from './run.ts';
import { encodeEvents } from './tensorboard.ts';
import { type LogRow, openTrainingLog } from './training-log.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tempered-log-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const manifest = { command: 'train', configuration: {}, seeds: {}, versions: {}, device: 'test', dataHashes: {} };
const open = async () => openTrainingLog(await openRun(folder, { manifest }), { loss: 'train/loss' });

const row = (epoch: number, loss: number, robustAccuracy?: number): LogRow => ({
  epoch,
  finishedAt: new Date(1_700_000_000_000 + 1000 * epoch).toISOString(),
  loss,
  ...(robustAccuracy !== undefined && { robustAccuracy }),
});

async function contents() {
  const names = (await readdir(folder)).sort();
  const events = names.find((name) => name.startsWith('events.out.tfevents.'))!;
  return {
    names: names.filter((name) => name !== events),
    lines: (await readFile(join(folder, 'metrics.jsonl'), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
    table: (await readFile(join(folder, 'metrics.csv'), 'utf8')).trimEnd().split('\r\n'),
    events: await readFile(join(folder, events)),
  };
}

it('holds every epoch once in all three files, however often the run was killed', async () => {
  const first = await open();
  await first.append(row(1, 2));
  await first.append(row(2, 1.5, 0.25));
  // Killed before the checkpoint of epoch 2: it is done again.
  const second = await open();
  expect(second.rows.map(({ epoch }) => epoch)).toEqual([1, 2]);
  await second.append(row(2, 1.25, 0.5));
  await second.append(row(3, 1, 0.75));
  const { names, lines, table, events } = await contents();
  expect(names).toEqual(['manifest.json', 'metrics.csv', 'metrics.jsonl']);
  expect(lines).toEqual([row(1, 2), row(2, 1.25, 0.5), row(3, 1, 0.75)]);
  expect(table).toEqual([
    'epoch,finishedAt,loss,robustAccuracy',
    '1,2023-11-14T22:13:21.000Z,2,',
    '2,2023-11-14T22:13:22.000Z,1.25,0.5',
    '3,2023-11-14T22:13:23.000Z,1,0.75',
  ]);
  const scalars: Record<string, number>[] = [
    { 'train/loss': 2 },
    { 'train/loss': 1.25, robustAccuracy: 0.5 },
    { 'train/loss': 1, robustAccuracy: 0.75 },
  ];
  expect(events).toEqual(
    Buffer.from(encodeEvents(scalars.map((each, i) => ({ step: i + 1, time: 1_700_000_001 + i, scalars: each })))),
  );
});

it('drops epochs that a checkpoint no longer knows of', async () => {
  const log = await open();
  for (const epoch of [1, 2, 3]) await log.append(row(epoch, 1));
  await log.append(row(1, 3));
  expect((await contents()).lines).toEqual([row(1, 3)]);
});

it('refuses a file that is no log', async () => {
  await (await open()).append(row(1, 1));
  await writeFile(join(folder, 'metrics.jsonl'), '{"epoch":1}\n');
  await expect(open()).rejects.toThrow(DataError);
  await expect(open()).rejects.toThrow(/metrics\.jsonl, line 1, is no record of an epoch/);
});
