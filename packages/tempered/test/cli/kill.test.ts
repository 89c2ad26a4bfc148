/**
 * @file Trainings killed at random moments. `TEMPERED_KILLS=20 npx vitest run --project cli kill` is the long form: twice
 * is what everyday tests have time for.
 */
import { readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseNpz } from '../../src/index.ts';
import { createRandom } from '../../src/random.ts';
import { type Folder, smallData, tempered, temporaryFolder } from './command.ts';

const KILLS = Number(process.env.TEMPERED_KILLS ?? 2);
const EPOCHS = 4;

let folder: Folder;
let config: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  config = await folder.write(
    'config.json',
    JSON.stringify({
      data: await folder.write('data.npz', smallData(150)),
      method: { name: 'adversarial', steps: 2, epsilon: 0.1 },
      averaging: { decay: 0.9 },
      augmentation: { padding: 1, flip: true },
      ...{ epochs: EPOCHS, batchSize: 10, seed: 3 },
    }),
  );
});
afterAll(() => folder.remove());

const train = (name: string) => ['train', config, '--out', folder.file(name)];

/** Every file there is can be read as a whole; what a kill leaves besides has a name that says so. */
async function checkFiles(name: string): Promise<void> {
  const names = await readdir(folder.file(name)).catch(() => []);
  for (const file of names.filter((each) => !each.endsWith('.unfinished'))) {
    const bytes = await readFile(folder.file(name, file));
    if (file.endsWith('.json')) JSON.parse(bytes.toString());
    if (file === 'checkpoint.npz') expect(parseNpz(bytes).size).toBeGreaterThan(0);
    if (file === 'metrics.jsonl') expect(epochsOf(bytes.toString())).toEqual(upTo(epochsOf(bytes.toString()).length));
    if (file === 'metrics.csv') expect(bytes.toString()).toMatch(/\r\n$/);
    if (file.startsWith('events.')) countRecords(bytes);
  }
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
const epochsOf = (lines: string) =>
  lines
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).epoch);

/** TFRecords: 8 bytes of length, 4 of checksum, the data, 4 of checksum. */
function countRecords(file: Buffer): number {
  let count = 0;
  let at = 0;
  for (; at < file.length; count++) at += 16 + Number(file.readBigUInt64LE(at));
  expect(at).toBe(file.length);
  return count;
}

/** What does not depend on the time: the figures of every epoch. */
const figures = (lines: string) =>
  lines
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line, (key, value) => (['seconds', 'finishedAt'].includes(key) ? undefined : value)));

it(`ends as if nothing had happened after kill -9, at ${KILLS} random moments`, {
  timeout: 120_000 * (KILLS + 1),
}, async () => {
  const started = performance.now();
  expect((await tempered(train('whole'))).code).toBe(0);
  const duration = performance.now() - started;
  const whole = await Promise.all(['model.onnx', 'last.onnx'].map((file) => readFile(folder.file('whole', file))));
  const expected = figures(await readFile(folder.file('whole', 'metrics.jsonl'), 'utf8'));
  const random = createRandom(1, 'kills');
  let interrupted = 0;
  for (let trial = 0; trial < KILLS; trial++) {
    const name = `cut-${trial}`;
    // The first part of the time is spent on starting the process.
    const { code } = await tempered(train(name), undefined, (child) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), duration * (0.3 + 0.7 * random.uniform()));
      child.on('close', () => clearTimeout(timer));
    });
    if (code === null) interrupted += 1;
    await checkFiles(name);
    expect((await tempered(train(name))).code).toBe(0);
    for (const [i, file] of ['model.onnx', 'last.onnx'].entries())
      expect((await readFile(folder.file(name, file))).equals(whole[i]!), `${file} of trial ${trial}`).toBe(true);
    expect(figures(await readFile(folder.file(name, 'metrics.jsonl'), 'utf8'))).toEqual(expected);
    expect((await readFile(folder.file(name, 'metrics.csv'), 'utf8')).trimEnd().split('\r\n')).toHaveLength(1 + EPOCHS);
    const [events, ...others] = (await readdir(folder.file(name))).filter((file) => file.startsWith('events.'));
    expect(others).toEqual([]);
    // The first record names the version of the format.
    expect(countRecords(await readFile(folder.file(name, events!)))).toBe(1 + EPOCHS);
  }
  expect(interrupted).toBeGreaterThan(0);
});
