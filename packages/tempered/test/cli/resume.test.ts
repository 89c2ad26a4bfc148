/** @file Runs that are killed go on where they were and end with what an uninterrupted run gives. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Folder, smallData, tempered, temporaryFolder } from './command.ts';

let folder: Folder;
let data: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  data = await folder.write('data.npz', smallData(150));
});
afterAll(() => folder.remove());

/** Runs a command, killed without warning as soon as its output matches. */
async function runAndKill(args: readonly string[], at: RegExp): Promise<void> {
  const { code } = await tempered(args, (child, output) => {
    if (at.test(output)) child.kill('SIGKILL');
  });
  expect(code).toBeNull();
}

/** As `runAndKill`, as soon as a file is there. */
async function runAndKillAfter(args: readonly string[], file: string): Promise<void> {
  const { code } = await tempered(args, undefined, (child) => {
    const look = setInterval(() => existsSync(file) && child.kill('SIGKILL'), 5);
    child.on('close', () => clearInterval(look));
  });
  expect(code).toBeNull();
}

it('trains to the same bytes', async () => {
  const train = (name: string) => [
    ...['train', '--data', data, '--epochs', '4', '--batch-size', '10', '--method', 'adversarial', '--steps', '2'],
    ...['--epsilon', '0.1', '--padding', '1', '--flip', '--seed', '3', '--out', folder.file(name)],
  ];
  await runAndKill(train('cut'), /epoch 2 of 4/);
  await expect(readFile(folder.file('cut', 'model.onnx'))).rejects.toThrow('ENOENT');
  const resumed = await tempered(train('cut'));
  expect(resumed.code).toBe(0);
  expect(resumed.stdout).not.toMatch(/epoch 1 of 4/);
  expect((await tempered(train('whole'))).code).toBe(0);
  for (const file of ['model.onnx', 'last.onnx']) {
    const [cut, whole] = await Promise.all(['cut', 'whole'].map((name) => readFile(folder.file(name, file))));
    expect(cut!.equals(whole!)).toBe(true);
  }
});

it('goes on with the same data only, under the same name', async () => {
  const file = await folder.write('changing.npz', smallData(60));
  const train = ['train', '--data', file, '--epochs', '1', '--batch-size', '10', '--out', folder.file('changing')];
  expect((await tempered(train)).code).toBe(0);
  const { dataHashes, modelHashes } = JSON.parse(await readFile(folder.file('changing', 'manifest.json'), 'utf8'));
  expect(dataHashes).toEqual({ train: expect.stringMatching(/^[0-9a-f]{64}$/) });
  for (const model of ['model.onnx', 'last.onnx']) {
    const bytes = await readFile(folder.file('changing', model));
    expect(modelHashes[model]).toBe(createHash('sha256').update(bytes).digest('hex'));
  }
  await folder.write('changing.npz', smallData(63));
  const { code, stderr } = await tempered(train);
  expect(code).toBe(2);
  expect(stderr).toMatch(/holds a run with other settings: dataHashes.train was "/);
});

it('a command that is refused leaves nothing in the way of the corrected one', async () => {
  const train = (...more: string[]) => [
    ...['train', '--data', data, '--epochs', '1', '--batch-size', '10', '--out', folder.file('corrected'), ...more],
  ];
  for (const wrong of [
    ['--learning-rate', '0'],
    ['--method', 'adversarial', '--warmup', '5'],
  ]) {
    expect((await tempered(train(...wrong))).code).toBe(2);
    expect(existsSync(folder.file('corrected', 'manifest.json'))).toBe(false);
  }
  expect((await tempered(train())).code).toBe(0);
});

it('studies to the same numbers', async () => {
  const study = (name: string) => ['study', '--data', data, '--epochs', '2', '--out', folder.file(name)];
  await runAndKillAfter(study('study-cut'), folder.file('study-cut', 'models', 'standard.onnx'));
  await expect(readFile(folder.file('study-cut', 'report.html'))).rejects.toThrow('ENOENT');
  expect((await tempered(study('study-cut'))).code).toBe(0);
  expect((await tempered(study('study-whole'))).code).toBe(0);
  const [cut, whole] = await Promise.all(
    ['study-cut', 'study-whole'].map(async (name) => withoutTimes(await readFile(folder.file(name, 'study.json')))),
  );
  expect(cut).toEqual(whole);
  for (const model of ['standard', 'robust']) {
    const [a, b] = await Promise.all(
      ['study-cut', 'study-whole'].map((name) => readFile(folder.file(name, 'models', `${model}.onnx`))),
    );
    expect(a!.equals(b!)).toBe(true);
  }
  const report = await readFile(folder.file('study-whole', 'report.html'), 'utf8');
  expect(report).toMatch(/^<!doctype html>/i);
  expect(report).not.toMatch(/(src|href)="(?!data:|#)/);
});

/** Everything but how long the epochs took. */
const withoutTimes = (json: Uint8Array): unknown =>
  JSON.parse(Buffer.from(json).toString('utf8'), (key, value) => (key === 'seconds' ? undefined : value));
