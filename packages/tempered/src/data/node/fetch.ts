/** @file Downloading data sets from their publishers or, where those have stopped, from mirrors: resumed where it was cut, kept only when the checksum is right. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../../errors.ts';
import type { Work } from '../../progress.ts';
import { cacheFolder } from './cache-folder.ts';
import { type FetchableName, SOURCES, type SourceFile, type Sources } from './sources.ts';

export interface FetchOptions extends Work {
  /** The folder for the files, as `loadDataset` takes it. Default: the data set's place in the cache folder. */
  dataDir?: string;
  /** Other addresses, for mirrors and tests. */
  sources?: Sources;
}

/** No file of these data sets is larger; a server that sends more is cut off. */
const MOST_BYTES = 2 ** 30;

/**
 * Downloads the files of a data set that are not there yet. While a file is under way it is called `<file>.part`; a
 * download that was cut is continued from there.
 *
 * @returns the folder with the files
 * @throws DataError when an address cannot be reached, a file has the wrong checksum, or the folder cannot be written
 * @example
 * await fetchDataset('mnist', { onProgress: ({ done, total }) => console.log(done / total) });
 */
export async function fetchDataset(name: FetchableName, options: FetchOptions = {}): Promise<string> {
  const { dataDir: folder = join(cacheFolder(), name), sources = SOURCES } = options;
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw new DataError(`${folder} cannot be made: ${reasonOf(error)}`, { cause: error });
  }
  for (const source of sources[name]) await fetchFile(source, folder, options);
  return folder;
}

async function fetchFile(source: SourceFile, folder: string, work: Work): Promise<void> {
  const target = join(folder, source.file);
  if (await exists(target)) {
    if ((await sha256Of(target, work.signal)) === source.sha256) return;
    throw new DataError(`${target} has the wrong checksum; delete it and fetch again`);
  }
  const part = `${target}.part`;
  try {
    await download(source, part, work);
  } catch (error) {
    work.signal?.throwIfAborted();
    if (error instanceof DataError) throw error;
    throw new DataError(`${source.url} could not be downloaded: ${reasonOf(error)}`, { cause: error });
  }
  const found = await sha256Of(part, work.signal);
  if (found !== source.sha256) {
    await rm(part, { force: true });
    throw new DataError(`${source.url} has the wrong checksum (${found}, not ${source.sha256}); nothing was kept`);
  }
  await rename(part, target);
}

/** Brings `part` to its full length. */
async function download({ file, url }: SourceFile, part: string, { signal, onProgress }: Work): Promise<void> {
  let offset = (await exists(part)) ? (await stat(part)).size : 0;
  let response = await request(url, offset, signal);
  if (offset > 0 && response.status === 416) {
    // Either all of it is there, which the checksum will tell, or it is longer than it should be.
    const total = /\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
    await response.body?.cancel();
    if (total !== undefined && Number(total) === offset) return;
    await rm(part);
    offset = 0;
    response = await request(url, 0, signal);
  }
  const resumed = response.status === 206 && startOf(response) === offset;
  if (!response.ok || !response.body || (response.status === 206 && !resumed)) {
    await response.body?.cancel();
    throw new DataError(`${url} could not be downloaded: the server answered ${response.status}`);
  }
  let done = resumed ? offset : 0;
  const length = response.headers.get('content-length');
  const total = length === null ? 0 : done + Number(length);

  const output = await open(part, resumed ? 'a' : 'w');
  try {
    for await (const bytes of response.body) {
      done += bytes.length;
      if (done > MOST_BYTES)
        throw new DataError(`${url}: more than ${MOST_BYTES} bytes came; the download was stopped`);
      await output.write(bytes);
      onProgress?.({ stage: `download ${file}`, done, total: Math.max(total, done) });
    }
  } finally {
    await output.close();
  }
}

function request(url: string, offset: number, signal: AbortSignal | undefined): Promise<Response> {
  // Without compression on the way, offsets and lengths are those of the file.
  const headers = { 'accept-encoding': 'identity', ...(offset > 0 ? { range: `bytes=${offset}-` } : {}) };
  return fetch(url, { headers, signal });
}

const startOf = (response: Response): number =>
  Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1] ?? Number.NaN);

async function sha256Of(file: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of createReadStream(file, { signal })) hash.update(bytes);
  return hash.digest('hex');
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** `fetch` hides what went wrong in the cause of its error. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message || error.name;
}
