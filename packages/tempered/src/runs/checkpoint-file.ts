/** @file Node only. A training's checkpoint as one .npz file. */
import { rm } from 'node:fs/promises';
import { readIfThere } from '../data/node/files.ts';
import { type NpyArray, parseNpz, writeNpz } from '../data/npy.ts';
import { DataError } from '../errors.ts';
import type { Checkpoint, CheckpointStore, Weights } from '../training/checkpoint.ts';
import { writeFileAtomic } from './atomic.ts';

const GROUPS = ['parameters', 'optimizer', 'carried', 'average', 'best'] as const;

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

function encode({ parameters, optimizer, carried = {}, average = {}, best, epoch, history }: Checkpoint): Uint8Array {
  const groups = { parameters, optimizer, carried, average, best: best.parameters };
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
  return writeNpz(arrays, { compress: false });
}

function decode(bytes: Uint8Array, path: string): Checkpoint {
  const groups: Record<(typeof GROUPS)[number], Weights> = {
    parameters: {},
    optimizer: {},
    carried: {},
    average: {},
    best: {},
  };
  const arrays = parseNpz(bytes, path);
  const { epoch, history, best } = decodeProgress(arrays.get('progress')?.data, path);
  for (const [key, { shape, data }] of arrays) {
    const group = GROUPS.find((name) => key.startsWith(`${name}/`));
    if (group === undefined || !(data instanceof Float32Array)) continue;
    groups[group][decodeURIComponent(key.slice(group.length + 1))] = { dtype: 'float32', shape, data };
  }
  return {
    epoch,
    history,
    parameters: groups.parameters,
    optimizer: groups.optimizer,
    carried: groups.carried,
    average: groups.average,
    best: { ...best, parameters: groups.best },
  };
}

type Progress = Pick<Checkpoint, 'epoch' | 'history'> & { best: Omit<Checkpoint['best'], 'parameters'> };

function decodeProgress(data: NpyArray['data'] | undefined, path: string): Progress {
  const progress = data instanceof Uint8Array ? parseJson(new TextDecoder().decode(data)) : undefined;
  if (!isProgress(progress)) throw new DataError(`${path} is not a checkpoint of Tempered; delete it to start anew`);
  return progress;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Enough to tell our own file from another: only `save` writes it, as a whole. */
function isProgress(value: unknown): value is Progress {
  if (typeof value !== 'object' || value === null) return false;
  return 'epoch' in value && 'best' in value && 'history' in value && Array.isArray(value.history);
}
