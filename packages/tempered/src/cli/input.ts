/** @file Inputs of the commands that take one image or array. */
import { readFile } from 'node:fs/promises';
import { npyToTensor, parseNpy } from '../data/npy.ts';
import { UsageError } from '../errors.ts';
import { decodeImage } from '../image/node/encode.ts';
import { centreSquare, resize } from '../image/resample.ts';
import type { Classifier } from '../models/classifier.ts';
import type { Tensor } from '../tensor.ts';

/** An image file, cut and resized to what the classifier takes, or a .npy array as it is. */
export async function readInput(path: string, classifier: Classifier): Promise<Tensor> {
  if (path.toLowerCase().endsWith('.npy')) return readTensor(path);
  const [channels, height, width] = classifier.inputShape;
  if (classifier.inputShape.length !== 3 || (channels !== 1 && channels !== 3)) {
    throw new UsageError(
      `'${classifier.description.name}' takes inputs of shape [N, ${classifier.inputShape.join(', ')}], which no image file holds: give a .npy file`,
    );
  }
  const image = await decodeImage(path, { channels });
  return resize(height === width ? centreSquare(image) : image, height!, width!);
}

export async function readTensor(path: string): Promise<Tensor> {
  return npyToTensor(parseNpy(await readFile(path), path));
}
