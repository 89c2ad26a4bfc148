/** @file Node only. A training's checkpoint as one .npz file. */
import { rm } from 'node:fs/promises';
import { readIfThere } from '../data/node/files.ts';
import { type NpyArray, parseNpz, writeNpz } from '../data/npy.ts';
import { DataError } from '../errors.ts';
import type { Checkpoint, CheckpointStore, Weights } from '../training/checkpoint.ts';
import { writeFileAtomic } from './atomic.ts';

const GROUPS = ['parameters', 'optimizer', 'best'] as const;

/** Keeps the checkpoint of one training in `path`, replaced as a whole after every epoch. */
export function checkpointFile(path: string): CheckpointStore & { remove(): Promise<void> } {
  return {
    async load() {
      const bytes = await readIfThere(path);
      return bytes && decode(bytes, path);
    },
    save: (checkpoint) => writeFileAtomic(path, encode(checkpoint)),
    remove: () => rm(path, { force: true }),
  };
}

function encode({ parameters, optimizer, best, epoch, history }: Checkpoint): Uint8Array {
  const groups = { parameters, optimizer, best: best.parameters };
  const arrays: Record<string, NpyArray> = {};
  for (const group of GROUPS) {
    for (const [name, { shape, data }] of Object.entries(groups[group])) {
      arrays[`${group}/${encodeURIComponent(name)}`] = { shape, data };
    }
  }
  const text = new TextEncoder().encode(
    JSON.stringify({ epoch, history, best: { epoch: best.epoch, score: best.score } }),
  );
  arrays.progress = { shape: [text.length], data: text };
  return writeNpz(arrays);
}

function decode(bytes: Uint8Array, path: string): Checkpoint {
  const groups: Record<(typeof GROUPS)[number], Weights> = { parameters: {}, optimizer: {}, best: {} };
  const arrays = parseNpz(bytes, path);
  const progress = arrays.get('progress')?.data;
  if (!(progress instanceof Uint8Array))
    throw new DataError(`${path} is not a checkpoint of Tempered; delete it to start anew`);
  for (const [key, { shape, data }] of arrays) {
    const group = GROUPS.find((name) => key.startsWith(`${name}/`));
    if (group === undefined || !(data instanceof Float32Array)) continue;
    groups[group][decodeURIComponent(key.slice(group.length + 1))] = { dtype: 'float32', shape, data };
  }
  const { epoch, history, best } = JSON.parse(new TextDecoder().decode(progress));
  return {
    epoch,
    history,
    parameters: groups.parameters,
    optimizer: groups.optimizer,
    best: { ...best, parameters: groups.best },
  };
}
