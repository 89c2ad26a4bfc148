/** @file Folders of pictures, one folder a class. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../../errors.ts';
import type { ImageFile } from '../images.ts';
import { entriesOf } from './files.ts';

const PICTURE = /\.(png|jpe?g|webp|gif|tiff?|avif)$/i;

/** In a folder without splits, one picture in this many is a test picture. */
const HOLD_OUT = 10;

export interface FolderImages {
  readonly files: readonly ImageFile[];
  /** Sorted by name. */
  readonly classes: readonly string[];
  readonly note?: string;
}

/**
 * The pictures of one split in `FOLDER/{train,test}/<class>/*`, or in `FOLDER/<class>/*`, where every tenth picture of
 * each class, by name, belongs to the test split. `val` stands in for a missing `test`.
 *
 * @throws DataError when there are no pictures
 */
export async function folderImages(folder: string, split: string): Promise<FolderImages> {
  const splits = (await entriesOf(folder)).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const divided = splits.includes('train') || splits.includes('test');
  if (!divided) {
    const all = await classFolders(folder, folder);
    return {
      classes: all.map(({ label }) => label),
      files: all.flatMap(({ files }) => files.filter((_, i) => (i % HOLD_OUT === HOLD_OUT - 1) === (split === 'test'))),
      note: `the folder has no splits: one picture in ${HOLD_OUT} of each class is held out for the test`,
    };
  }
  const chosen = split === 'test' && !splits.includes('test') ? 'val' : split;
  const found = await classFolders(join(folder, chosen), folder);
  // A class may be missing from one split: the labels are those of all splits together.
  const other = splits.filter((name) => name !== chosen && ['train', 'test', 'val'].includes(name));
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
  if (classes.length === 0 && described !== undefined) {
    throw new DataError(`${described}: no pictures found; expected <class>/*.png or {train,test}/<class>/*.png`);
  }
  return classes;
}
