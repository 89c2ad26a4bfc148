/** @file What the training of a VAE-GAN changes, living with the engine. */
import { UsageError } from '../errors.ts';
import type { HostTensor, ResidentTensor, Runtime } from '../runtime/runtime.ts';
import { uploadAll } from '../runtime/upload-all.ts';
import { sizeOf } from '../tensor.ts';
import { type Optimizer, stateNames } from '../training/optimizer.ts';
import { PARTS, type Part, type VaeGan } from './vae-gan.ts';

/** By `<part>/<initializer>`, and `<part>/<initializer>.<slot>` for what the optimiser keeps of it. */
export type VaeGanState = Record<string, ResidentTensor>;

/** Of everything that is trained or moves along: weights, biases, running statistics, singular vectors. */
export function stateInitializers(vaeGan: VaeGan, part: Part): string[] {
  return [...vaeGan.graphs[part].initializers.keys()].filter((name) => isTrained(name) || isMoved(name));
}

/** Whether an initializer is trained by gradient descent. */
export const isTrained = (name: string): boolean => /\.(weight|bias)$/.test(name);
const isMoved = (name: string): boolean => /\.(running_mean|running_var|u)$/.test(name);

/** The weights of a VAE-GAN and an optimiser that starts, as the checkpoint of epoch 0. */
export function initialState(vaeGan: VaeGan, optimizer: Optimizer): Record<string, HostTensor> {
  const state: Record<string, HostTensor> = {};
  for (const part of PARTS) {
    for (const name of stateInitializers(vaeGan, part)) {
      const { shape, data } = vaeGan.graphs[part].initializers.get(name)!;
      if (!(data instanceof Float32Array)) throw new TypeError(`parameter '${name}' is not float32`);
      state[`${part}/${name}`] = { dtype: 'float32', shape, data };
      if (!isTrained(name)) continue;
      for (const slot of stateNames(optimizer))
        state[`${part}/${name}.${slot}`] = { dtype: 'float32', shape, data: new Float32Array(sizeOf(shape)) };
    }
  }
  return state;
}

/**
 * Places a state with the engine: what was saved, or what the training starts with.
 *
 * @throws UsageError when the saved one is of another VAE-GAN
 */
export async function uploadState(
  runtime: Runtime,
  start: Readonly<Record<string, HostTensor>>,
  saved: Readonly<Record<string, HostTensor>> = start,
): Promise<VaeGanState> {
  for (const [name, { shape }] of Object.entries(start)) {
    if (saved[name]?.shape.join() !== shape.join())
      throw new UsageError(`the checkpoint does not fit the VAE-GAN: '${name}' is missing or of another shape`);
  }
  const tensors = Object.fromEntries(Object.keys(start).map((name) => [name, saved[name]!]));
  return uploadAll(runtime, tensors);
}

/** The VAE-GAN with the weights of a state. */
export function withState(vaeGan: VaeGan, state: Readonly<Record<string, HostTensor>>): VaeGan {
  const graphs = { ...vaeGan.graphs };
  for (const part of PARTS) {
    const initializers = new Map(graphs[part].initializers);
    for (const name of stateInitializers(vaeGan, part)) {
      const { shape, data } = state[`${part}/${name}`]!;
      if (data instanceof Float32Array) initializers.set(name, { dtype: 'float32', shape, data });
    }
    graphs[part] = { ...graphs[part], initializers };
  }
  return { ...vaeGan, graphs };
}
