import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeNpz } from '../data/npy.ts';
import { DataError } from '../errors.ts';
import type { Checkpoint } from '../training/checkpoint.ts';
import { checkpointFile } from './checkpoint-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tempered-'));
});
afterEach(() => rm(folder, { recursive: true }));

const tensor = (...values: number[]) => ({
  dtype: 'float32' as const,
  shape: [values.length, 1],
  data: Float32Array.from(values),
});

const checkpoint = (epoch: number): Checkpoint => ({
  epoch,
  parameters: { 'layer1.0/weight': tensor(1.5, -0, 2 ** -149), 'a b%ü': tensor(3) },
  optimizer: { 'layer1.0/weight.velocity': tensor(0.1, 0.2, 0.3) },
  carried: { perturbation: tensor(0.25, -0.25) },
  average: { 'layer1.0/weight': tensor(7, 8, 9) },
  best: { epoch: 1, score: 0.875, parameters: { 'layer1.0/weight': tensor(4, 5, 6) } },
  history: [{ epoch: 1, loss: 0.25, trainingAccuracy: 0.5, naturalAccuracy: 0.875, learningRate: 0.1, seconds: 1.5 }],
});

it('gives back what was saved, the newest, bit for bit, and leaves no other file', async () => {
  const store = checkpointFile(join(folder, 'state.npz'));
  expect(await store.load()).toBeUndefined();
  await store.save(checkpoint(1));
  await store.save(checkpoint(2));
  expect(await store.load()).toEqual(checkpoint(2));
  expect(await readdir(folder)).toEqual(['state.npz']);
  await store.remove();
  await store.remove();
  expect(await store.load()).toBeUndefined();
});

it.each<[string, Uint8Array]>([
  ['no archive', new TextEncoder().encode('hello')],
  ['other arrays', writeNpz({ x: { shape: [1], data: Float32Array.of(1) } })],
  ['damaged progress', writeNpz({ progress: { shape: [1], data: new TextEncoder().encode('{') } })],
  ['other progress', writeNpz({ progress: { shape: [2], data: new TextEncoder().encode('[]') } })],
])('refuses another file: %s', async (_, bytes) => {
  const path = join(folder, 'state.npz');
  await writeFile(path, bytes);
  const refusal = await checkpointFile(path)
    .load()
    .catch((error) => error);
  expect(refusal).toBeInstanceOf(DataError);
  expect(refusal.message).toContain(path);
});
