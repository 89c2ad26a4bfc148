import type { HostTensor, ResidentTensor, Runtime } from './runtime.ts';

/** Places several tensors with the engine: all of them, or, when one fails, none. */
export async function uploadAll<Name extends string>(
  runtime: Runtime,
  tensors: Readonly<Record<Name, HostTensor>>,
): Promise<Record<Name, ResidentTensor>> {
  const uploaded: Partial<Record<Name, ResidentTensor>> = {};
  try {
    for (const name of Object.keys(tensors) as Name[]) uploaded[name] = await runtime.upload(tensors[name]);
  } catch (error) {
    for (const tensor of Object.values<ResidentTensor | undefined>(uploaded)) tensor?.release();
    throw error;
  }
  return uploaded as Record<Name, ResidentTensor>;
}
