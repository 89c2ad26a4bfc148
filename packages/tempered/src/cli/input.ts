/** @file Inputs of the commands that take one image or array. */
import { readFile } from 'node:fs/promises';
import { npyToTensor, parseNpy } from '../data/npy.ts';
import { DataError, fileReason, UsageError } from '../errors.ts';
import { decodeImage } from '../image/node/encode.ts';
import { centreSquare, resize } from '../image/resample.ts';
import type { Classifier } from '../models/classifier.ts';
import { sizeOf, type Tensor } from '../tensor.ts';

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

/** @throws UsageError for an array without elements */
export async function readTensor(path: string): Promise<Tensor> {
  const tensor = npyToTensor(parseNpy(await readBytes(path), path));
  if (sizeOf(tensor.shape) === 0)
    throw new UsageError(`${path} holds nothing: its shape is [${tensor.shape.join(', ')}]`);
  return tensor;
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new DataError(`the array ${path} cannot be read: ${fileReason(error)}`, { cause: error });
  }
}
