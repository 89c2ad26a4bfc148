/** @file The files in the folder of `tempered explain`: their names, and those of an earlier run. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Letters and digits of any script stay; what file systems refuse becomes a hyphen. */
const fileName = (text: string): string => text.replace(/[^\p{L}\p{M}\p{N}_.=+-]+/gu, '-');

/** File names for texts, in the same order; those that would overwrite each other, where case does not count, get numbers. */
export function fileNames(texts: readonly string[]): string[] {
  const taken = new Set<string>();
  const keyOf = (name: string): string => name.normalize().toLowerCase();
  return texts.map((text) => {
    const name = fileName(text);
    let own = name;
    for (let i = 2; taken.has(keyOf(own)); i++) own = `${name}-${i}`;
    taken.add(keyOf(own));
    return own;
  });
}

/** Only what this command writes: a result.json can be anybody's. */
const OURS = /^(attribution|attacked|overlay|figure)[^/\\]*\.(npy|png|svg)$/;

/**
 * Removes what an earlier run wrote into the folder, as its result.json lists it, and this one does not: maps of other
 * models and methods would lie beside a result that does not know them.
 */
export async function removeEarlier(folder: string, files: readonly string[]): Promise<void> {
  const earlier = await readFile(join(folder, 'result.json'), 'utf8').then(filesIn, () => []);
  for (const file of earlier)
    if (OURS.test(file) && !files.includes(file)) await rm(join(folder, file), { force: true });
}

function filesIn(text: string): string[] {
  try {
    const result: { files?: unknown } | null = JSON.parse(text);
    return Array.isArray(result?.files) ? result.files.filter((file) => typeof file === 'string') : [];
  } catch {
    return [];
  }
}
