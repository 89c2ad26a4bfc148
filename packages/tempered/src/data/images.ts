/** @file Data sets of picture files: decoded, cut to squares, brought to one size, kept as bytes. */

import { DataError } from '../errors.ts';
import { centreSquare, resize } from '../image/resample.ts';
import type { Work } from '../progress.ts';
import type { Tensor } from '../tensor.ts';
import { type Dataset, fromArrays } from './dataset.ts';
import { readTar } from './tar.ts';

/** Decodes a picture file to [1, channels, H, W] in [0, 1]. Throws `DataError` when it cannot. */
export type ImageDecoder = (bytes: Uint8Array, options: { channels: 1 | 3 }) => Promise<Tensor>;

/** A picture file that has not been read yet. */
export interface ImageFile {
  /** Shown in errors. */
  readonly name: string;
  /** The name of its class. */
  readonly label: string;
  read(): Promise<Uint8Array>;
}

export interface ImagesOptions extends Work {
  name: string;
  split: string;
  /** In label order. */
  classes: readonly string[];
  decode: ImageDecoder;
  /** Pixels along each side. Pictures are cut to their middle square and resized. Default: as they are, all alike. */
  size?: number;
  /** Default: 3. */
  channels?: 1 | 3;
  note?: string;
}

const MOST_BYTES = 2 ** 32;
/** Pictures decoded at a time. */
const AT_ONCE = 16;

/**
 * Decodes picture files into a data set, in the order given.
 *
 * @throws DataError when there are none, one cannot be read, or they differ in size and no `size` is given
 */
export async function imagesDataset(files: readonly ImageFile[], options: ImagesOptions): Promise<Dataset> {
  const { name, split, classes, decode, size, channels = 3, note, signal, onProgress } = options;
  if (files.length === 0) throw new DataError(`${name}: there are no pictures for the split '${split}'`);
  const labels = files.map((file) => classes.indexOf(file.label));

  const load = async (file: ImageFile): Promise<Tensor> => {
    let picture: Tensor;
    try {
      picture = await decode(await file.read(), { channels });
    } catch (error) {
      throw new DataError(`${file.name}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
    return size === undefined ? picture : resize(centreSquare(picture), size, size);
  };

  const [, , height, width] = (await load(files[0]!)).shape as [number, number, number, number];
  const length = channels * height * width;
  if (files.length * length > MOST_BYTES) {
    throw new DataError(`${name}: ${files.length} pictures of ${width} × ${height} do not fit in memory; give a size`);
  }
  const pixels = new Uint8Array(files.length * length);
  for (let start = 0; start < files.length; start += AT_ONCE) {
    signal?.throwIfAborted();
    const group = files.slice(start, start + AT_ONCE);
    const pictures = await Promise.all(group.map(load));
    for (const [i, picture] of pictures.entries()) {
      if (picture.shape[2] !== height || picture.shape[3] !== width) {
        throw new DataError(
          `${group[i]!.name}: ${picture.shape[3]} × ${picture.shape[2]} pixels, but others have ${width} × ${height}; give a size`,
        );
      }
      const offset = (start + i) * length;
      for (let p = 0; p < length; p++) pixels[offset + p] = Math.round(255 * picture.data[p]!);
    }
    onProgress?.({ stage: `read ${name}`, done: Math.min(start + AT_ONCE, files.length), total: files.length });
  }
  return fromArrays({ name, split, classes, imageShape: [channels, height, width], pixels, labels, note });
}

export interface TarImages {
  /** Sorted by index. */
  readonly files: readonly ImageFile[];
  /** Of all splits, sorted by name. */
  readonly classes: readonly string[];
}

/**
 * The pictures of one split, or of 'all', in a tar archive (gzipped or not) with entries `…/<split>/<index>_<class>.<extension>` or
 * `…/<split>/<class>/<file>`.
 *
 * @throws DataError when the archive cannot be read or has no such entries
 */
export function tarImages(archive: Uint8Array, split: string, name = 'tar archive'): TarImages {
  const classes = new Set<string>();
  const found: { order: string; file: ImageFile }[] = [];
  for (const member of readTar(archive, name)) {
    const entry = /(?:^|\/)(train|test|val)\/(?:(\d+)_([^/]+)\.\w+|([^/]+)\/([^/]+\.\w+))$/.exec(member.name);
    if (!entry) continue;
    const label = entry[3] ?? entry[4]!;
    classes.add(label);
    if (split !== 'all' && entry[1] !== split) continue;
    const order = entry[2]?.padStart(16, '0') ?? `${label}/${entry[5]}`;
    found.push({ order, file: { name: `${name}: ${member.name}`, label, read: async () => member.data } });
  }
  if (found.length === 0) {
    throw new DataError(
      `${name}: it holds no pictures called ${split === 'all' ? 'test' : split}/<index>_<class>.<jpg|png>`,
    );
  }
  found.sort((a, b) => (a.order < b.order ? -1 : 1));
  return { files: found.map(({ file }) => file), classes: [...classes].sort() };
}
