import { constants, type Stats } from 'node:fs';
import { access, mkdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { UsageError } from '../errors.ts';
import { writeFileAtomic } from '../runs/atomic.ts';

/**
 * Throws a UsageError when a folder cannot be made or written to, so that nobody waits for a result that is lost.
 * Commands call this before they start to work.
 */
export async function checkFolder(path: string): Promise<void> {
  const found = await statOf(path);
  if (found === undefined) return checkParent(path);
  if (!found.isDirectory()) throw new UsageError(`${path} cannot be written to: it is a file, not a folder`);
  await checkPermission(path, resolve(path));
}

/** As `checkFolder`, for a file; anything but a name, such as the `--json` that means standard output, is fine. */
export async function checkFile(path: string | boolean | undefined): Promise<void> {
  if (typeof path !== 'string') return;
  if ((await statOf(path))?.isDirectory())
    throw new UsageError(`${path} cannot be written: it is a folder, not a file`);
  // Files are replaced, so that an old one that is read-only is no hindrance.
  await checkParent(path);
}

const statOf = (path: string): Promise<Stats | undefined> => stat(path).catch(() => undefined);

/** Looks for the nearest folder that is there already. */
async function checkParent(path: string, folder = dirname(resolve(path))): Promise<void> {
  const found = await statOf(folder);
  if (found === undefined && dirname(folder) !== folder) return checkParent(path, dirname(folder));
  if (found?.isDirectory() !== true) throw new UsageError(`${path} cannot be written: ${folder} is not a folder`);
  await checkPermission(path, folder);
}

async function checkPermission(path: string, folder: string): Promise<void> {
  try {
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new UsageError(`${path} cannot be written: no permission to write to ${folder}`, { cause: error });
  }
}

/** What a command leaves behind, by name. */
export type OutputFiles = Readonly<Record<string, string | Uint8Array>>;

/** Writes a command's files, which are all there by now, so that what cannot be made leaves none. */
export async function writeOutput(folder: string, files: OutputFiles): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFileAtomic(join(folder, name), content);
}
