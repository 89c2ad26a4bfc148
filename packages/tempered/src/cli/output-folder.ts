import { constants } from 'node:fs';
import { access, mkdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { UsageError } from '../errors.ts';
import { writeFileAtomic } from '../runs/atomic.ts';

/**
 * Throws a UsageError when a file or folder cannot be made, so that nobody waits for a result that is lost. Commands
 * call it before they start to work.
 */
export async function checkWritable(...paths: readonly unknown[]): Promise<void> {
  for (const path of paths) {
    if (typeof path === 'string') await checkParent(path, dirname(resolve(path)));
  }
}

/** Looks for the nearest folder that is there already. */
async function checkParent(path: string, folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found === undefined && dirname(folder) !== folder) return checkParent(path, dirname(folder));
  if (found?.isDirectory() !== true) throw new UsageError(`${path} cannot be written: ${folder} is not a folder`);
  try {
    await access(folder, constants.W_OK);
  } catch (error) {
    throw new UsageError(`${path} cannot be written: no permission to write to ${folder}`, { cause: error });
  }
}

/** A folder for a command's files, made when it is missing. */
export async function outputFolder(
  path: string,
): Promise<{ path: string; write(name: string, content: string | Uint8Array): Promise<void> }> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? error.code : error;
    throw new UsageError(`the folder ${path} cannot be made (${reason}): choose another --out`, { cause: error });
  }
  return { path, write: (name, content) => writeFileAtomic(join(path, name), content) };
}
