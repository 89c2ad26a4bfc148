import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../errors.ts';
import { writeFileAtomic } from '../runs/atomic.ts';

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
