/** @file Node only. Files that are either whole or not there, whenever the process dies. */

import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Whether a file name is one that an interrupted write leaves behind. */
export const isUnfinished = (name: string): boolean => /^\..*\.\d+-\d+\.unfinished$/.test(name);

let written = 0;

/**
 * Writes a file under a temporary name beside it, flushes it to the disk and renames it.
 * Folders that are missing are made. A reader sees the old content or the new one, never a part.
 *
 * @example await writeFileAtomic('runs/a/report.html', html)
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  written += 1;
  const unfinished = join(folder, `.${basename(path)}.${process.pid}-${written}.unfinished`);
  try {
    const file = await open(unfinished, 'w');
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw namingTarget(error, unfinished, path);
  }
  await syncFolder(folder);
}

/** Nobody asked for the temporary name: the error tells of the file that was to be written. */
function namingTarget(error: unknown, unfinished: string, path: string): unknown {
  if (!(error instanceof Error)) return error;
  const message = error.message.replaceAll(unfinished, path);
  return Object.assign(new Error(message, { cause: error }), 'code' in error && { code: error.code, path });
}

/** The new name reaches the disk with its folder; Windows has no such call and needs none. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Removes what killed processes left behind in a folder and the folders below it. */
export async function removeUnfinished(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile() && isUnfinished(entry.name)) await rm(join(entry.parentPath, entry.name), { force: true });
}
