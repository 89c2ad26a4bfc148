/** @file Folders of pictures, one folder a class. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../../errors.ts';
import type { ImageFile } from '../images.ts';
import { entriesOf } from './files.ts';

const PICTURE = /\.(png|jpe?g|webp|gif|tiff?|avif)$/i;

/** In a folder without splits, one picture in this many is a test picture. */
const HOLD_OUT = 10;

const SPLITS: ReadonlySet<string> = new Set(['train', 'test', 'val']);

const noPictures = (folder: string): string =>
  `${folder}: no pictures found; expected <class>/*.png or {train,test}/<class>/*.png`;

export interface FolderImages {
  readonly files: readonly ImageFile[];
  /** Sorted by name. */
  readonly classes: readonly string[];
  readonly note?: string;
}

/**
 * The pictures of one split in `FOLDER/{train,test}/<class>/*`, or in `FOLDER/<class>/*`, where every tenth picture of
 * each class, by name, belongs to the test split. `val` stands in for a missing `test`. The split 'all' has every picture
 * of either.
 *
 * @throws DataError when there are no pictures, or too few to hold one out
 */
export async function folderImages(folder: string, split: string): Promise<FolderImages> {
  const splits = (await entriesOf(folder)).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const divided = splits.includes('train') || splits.includes('test');
  if (!divided) {
    const found = await classFolders(folder, folder);
    const classes = found.map(({ label }) => label);
    if (split === 'all') return { classes, files: found.flatMap(({ files }) => files) };
    const files = found.flatMap(({ files }) =>
      files.filter((_, i) => (i % HOLD_OUT === HOLD_OUT - 1) === (split === 'test')),
    );
    const rule = `one picture in ${HOLD_OUT} of each class is held out for the test`;
    if (files.length === 0)
      throw new DataError(
        `${folder} has no splits, so ${rule}, but no class has ${HOLD_OUT}: take every picture with the split 'all'`,
      );
    return { classes, files, note: `the folder has no splits: ${rule}; the split 'all' has every picture` };
  }
  if (split === 'all') {
    const parts = await Promise.all(
      splits.filter((name) => SPLITS.has(name)).map((name) => classFolders(join(folder, name))),
    );
    const found = parts.flat();
    if (found.length === 0) throw new DataError(noPictures(folder));
    return {
      files: found.flatMap(({ files }) => files),
      classes: [...new Set(found.map(({ label }) => label))].sort(),
    };
  }
  const chosen = split === 'test' && !splits.includes('test') ? 'val' : split;
  const found = await classFolders(join(folder, chosen), folder);
  // A class may be missing from one split: the labels are those of all splits together.
  const other = splits.filter((name) => name !== chosen && SPLITS.has(name));
  const labels = new Set(found.map(({ label }) => label));
  for (const name of other) for (const { label } of await classFolders(join(folder, name))) labels.add(label);
  return { files: found.flatMap(({ files }) => files), classes: [...labels].sort() };
}

/** The classes in a folder with their pictures. With `described`, finding none is an error about that folder. */
async function classFolders(folder: string, described?: string): Promise<{ label: string; files: ImageFile[] }[]> {
  const classes: { label: string; files: ImageFile[] }[] = [];
  for (const entry of await entriesOf(folder)) {
    if (!entry.isDirectory()) continue;
    const pictures = (await entriesOf(join(folder, entry.name))).filter(({ name }) => PICTURE.test(name));
    const files = pictures.map(({ name }) => {
      const path = join(folder, entry.name, name);
      return { name: path, label: entry.name, read: () => readFile(path) };
    });
    if (files.length > 0) classes.push({ label: entry.name, files });
  }
  if (classes.length === 0 && described !== undefined) throw new DataError(noPictures(described));
  return classes;
}
