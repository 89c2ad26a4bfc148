/** @file Node only. Classifiers from files. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, normalize } from 'node:path';
import { ModelError, ShapeError, UnsupportedOpError } from 'onnx-grad';
import { DataError, fileReason, UsageError } from '../../errors.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { Classifier } from '../classifier.ts';
import { type ReadModelOptions, readModel } from '../load.ts';

export interface LoadClassifierOptions extends Omit<ReadModelOptions, 'externalData'> {
  runtime: Runtime;
}

/**
 * Loads an ONNX classifier from a file; external data files are looked for beside it.
 *
 * @throws DataError when the file cannot be read; ModelError when it is no ONNX model; UsageError when it is no classifier
 * @example
 * const classifier = await loadClassifier('resnet.onnx', { runtime, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });
 */
export async function loadClassifier(
  path: string,
  { runtime, ...options }: LoadClassifierOptions,
): Promise<Classifier> {
  const bytes = await readModelBytes(path);
  const externalData = externalDataBeside(path);
  const model = namingFile(path, () => readModel(bytes, { name: basename(path, '.onnx'), ...options, externalData }));
  return new Classifier(model, runtime);
}

/** A model file's bytes. */
export async function readModelBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new DataError(`the model file ${path} cannot be read: ${fileReason(error)}`, { cause: error });
  }
}

/** Reads external data from the model's own folder, and from nowhere else. */
export function externalDataBeside(path: string): (location: string) => Uint8Array {
  return (location) => {
    const inside = normalize(location);
    if (isAbsolute(inside) || inside.startsWith('..'))
      throw new ModelError(`external data '${location}' lies outside the model's folder`);
    try {
      return readFileSync(join(dirname(path), inside));
    } catch (error) {
      throw new ModelError(`external data file '${location}' of ${path} cannot be read`, { cause: error });
    }
  };
}

/** Puts the file's name before the message of an error about its content. */
export function namingFile<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    for (const Kind of [ModelError, ShapeError, UsageError]) {
      if (error instanceof Kind) throw new Kind(`${path}: ${error.message}`, { cause: error });
    }
    if (error instanceof UnsupportedOpError) throw new UnsupportedOpError(error.operator, `${path}: ${error.message}`);
    throw error;
  }
}
