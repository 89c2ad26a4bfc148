/** @file Reading files with errors that a user can act on. */

import type { Dirent } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { DataError, fileReason } from '../../errors.ts';

/** A file's bytes, or nothing where there is no such file. */
export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new DataError(`${path} cannot be read: ${fileReason(error)}`, { cause: error });
  }
}

/** What lies in a folder, sorted by name; nothing where there is no such folder. */
export async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter(({ name }) => !name.startsWith('.')).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (isMissing(error)) return [];
    throw new DataError(`${folder} cannot be read: ${fileReason(error)}`, {
      cause: error,
    });
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
