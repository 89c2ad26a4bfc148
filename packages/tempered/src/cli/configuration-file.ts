/** @file JSON files of settings, before they are checked against a schema. */
import { readFile } from 'node:fs/promises';
import { DataError, fileReason, UsageError } from '../errors.ts';

export type Settings = Record<string, unknown>;

/**
 * Reads a file of settings.
 *
 * @throws DataError when it cannot be read; UsageError when it holds no JSON object
 */
export async function readSettings(file: string): Promise<Settings> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new DataError(`the configuration ${file} cannot be read: ${fileReason(error)}`, { cause: error });
  }
  try {
    const value: unknown = JSON.parse(text);
    if (isSettings(value)) return value;
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
  throw new UsageError(`${file} must hold an object of settings: { "seed": 1, ... }`);
}

export const isSettings = (value: unknown): value is Settings =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
