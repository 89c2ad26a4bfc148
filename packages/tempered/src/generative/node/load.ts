/** @file Node only. VAE-GANs from files. */
import { join } from 'node:path';
import { namingFile, readModelBytes } from '../../models/node/load.ts';
import { readVaeGan, type VaeGan } from '../vae-gan.ts';

/**
 * Loads the VAE-GAN that `tempered vae-gan train` left in a folder: encoder.onnx, decoder.onnx, discriminator.onnx.
 *
 * @throws DataError when a file cannot be read; ModelError when it is no part of a VAE-GAN
 * @example
 * const vaeGan = await loadVaeGan('runs/mnist-vae-gan');
 */
export async function loadVaeGan(folder: string): Promise<VaeGan> {
  const [encoder, decoder, discriminator] = await Promise.all([
    readModelBytes(join(folder, 'encoder.onnx')),
    readModelBytes(join(folder, 'decoder.onnx')),
    readModelBytes(join(folder, 'discriminator.onnx')),
  ]);
  return namingFile(folder, () => readVaeGan({ encoder, decoder, discriminator }));
}
