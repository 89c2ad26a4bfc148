/** @file Node only. A VAE-GAN's checkpoint as one .npz file. */
import { readIfThere } from '../data/node/files.ts';
import { type NpyArray, parseNpz, writeNpz } from '../data/npy.ts';
import { DataError } from '../errors.ts';
import type { VaeGanCheckpoint, VaeGanCheckpointStore, VaeGanEpoch } from '../generative/train-vae-gan.ts';
import type { HostTensor } from '../runtime/runtime.ts';
import { writeFileAtomic } from './atomic.ts';

const HISTORY = 'history';

/** Keeps the checkpoint of one VAE-GAN's training in `path`, replaced as a whole after every epoch. */
export function vaeGanFile(path: string): VaeGanCheckpointStore {
  return {
    async load() {
      const bytes = await readIfThere(path);
      return bytes && decode(bytes, path);
    },
    save: (checkpoint) => writeFileAtomic(path, encode(checkpoint)),
  };
}

function encode({ history, state }: VaeGanCheckpoint): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(history));
  const arrays: Record<string, NpyArray> = { [HISTORY]: { shape: [text.length], data: text } };
  for (const [name, { shape, data }] of Object.entries(state)) arrays[encodeURIComponent(name)] = { shape, data };
  return writeNpz(arrays, { compress: false });
}

function decode(bytes: Uint8Array, path: string): VaeGanCheckpoint {
  const state: Record<string, HostTensor> = {};
  const arrays = parseNpz(bytes, path);
  for (const [name, { shape, data }] of arrays)
    if (data instanceof Float32Array) state[decodeURIComponent(name)] = { dtype: 'float32', shape, data };
  const history = decodeHistory(arrays.get(HISTORY)?.data);
  if (history === undefined)
    throw new DataError(`${path} is not a checkpoint of a VAE-GAN of Tempered; delete it to start anew`);
  return { history, state };
}

function decodeHistory(data: NpyArray['data'] | undefined): VaeGanEpoch[] | undefined {
  if (!(data instanceof Uint8Array)) return undefined;
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(data));
    // Enough to tell our own file from another: only `save` writes it, as a whole.
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
