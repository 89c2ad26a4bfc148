import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataError } from '../../errors.ts';
import { fetchDataset } from './fetch.ts';
import { SOURCES, type Sources } from './sources.ts';

const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) % 251));
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');

let server: Server;
let address: string;
let cacheDir: string;
let requests: (string | undefined)[];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

/** What an ordinary file server does, ranges included. */
function serveContent(request: IncomingMessage, response: ServerResponse): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (start >= CONTENT.length) {
    response.writeHead(416, { 'content-range': `bytes */${CONTENT.length}` }).end();
    return;
  }
  const body = CONTENT.subarray(start);
  const headers = { 'content-length': body.length };
  if (start === 0) response.writeHead(200, headers);
  else
    response.writeHead(206, { ...headers, 'content-range': `bytes ${start}-${CONTENT.length - 1}/${CONTENT.length}` });
  response.end(body);
}

beforeEach(async () => {
  requests = [];
  answer = serveContent;
  cacheDir = await mkdtemp(join(tmpdir(), 'tempered-fetch-'));
  server = createServer((request, response) => {
    requests.push(request.headers.range);
    answer(request, response);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  if (typeof bound !== 'object' || !bound) throw new Error('the test server has no address');
  address = `http://127.0.0.1:${bound.port}/`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => void server.close(resolve));
  await rm(cacheDir, { recursive: true, force: true });
});

const sources = (sha256 = SHA256): Sources => ({
  ...SOURCES,
  mnist: [{ file: 'a.gz', url: `${address}a.gz`, sha256 }],
});
const folder = () => join(cacheDir, 'mnist');
const fetchIt = (options: Parameters<typeof fetchDataset>[1] = {}) =>
  fetchDataset('mnist', { dataDir: folder(), sources: sources(), ...options });
const expectWhole = async () => {
  expect(await readdir(folder())).toEqual(['a.gz']);
  expect((await readFile(join(folder(), 'a.gz'))).equals(CONTENT)).toBe(true);
};

describe('fetchDataset', () => {
  it('downloads with progress, and not again', async () => {
    const shares: number[] = [];
    const where = await fetchIt({ onProgress: ({ done, total }) => shares.push(done / total) });
    expect(where).toBe(folder());
    await expectWhole();
    expect(shares.at(-1)).toBe(1);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    await fetchIt();
    expect(requests).toHaveLength(1);
  });

  it('continues a download that was cut', async () => {
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': CONTENT.length });
      response.write(CONTENT.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 50));
    };
    await expect(fetchIt()).rejects.toThrow(DataError);
    expect(await readdir(folder())).toEqual(['a.gz.part']);
    answer = serveContent;
    await fetchIt();
    await expectWhole();
    expect(requests).toEqual([undefined, 'bytes=100000-']);
  });

  it.each([
    ['the part is complete', CONTENT],
    ['the part is too long', Buffer.concat([CONTENT, Buffer.from('more')])],
  ])('copes when %s', async (_, part) => {
    await fetchIt();
    await rm(join(folder(), 'a.gz'));
    await writeFile(join(folder(), 'a.gz.part'), part);
    await fetchIt();
    await expectWhole();
  });

  it('starts again with a server that knows no ranges', async () => {
    await fetchIt();
    await rm(join(folder(), 'a.gz'));
    await writeFile(join(folder(), 'a.gz.part'), 'nonsense');
    answer = (_, response) => void response.writeHead(200).end(CONTENT);
    await fetchIt();
    await expectWhole();
  });

  it('keeps nothing with a wrong checksum', async () => {
    const error = fetchIt({ sources: sources('00'.repeat(32)) });
    await expect(error).rejects.toThrow(DataError);
    await expect(error).rejects.toThrow('wrong checksum');
    expect(await readdir(folder())).toEqual([]);
  });

  it('does not touch a file that is there with another checksum', async () => {
    await fetchIt();
    await writeFile(join(folder(), 'a.gz'), 'mine');
    await expect(fetchIt()).rejects.toThrow('delete it and fetch again');
    expect(await readFile(join(folder(), 'a.gz'), 'utf8')).toBe('mine');
  });

  it.each([404, 500])('says so when the server answers %d', async (status) => {
    answer = (_, response) => void response.writeHead(status).end('no');
    await expect(fetchIt()).rejects.toThrow(`the server answered ${status}`);
    expect(await readdir(folder())).toEqual([]);
  });

  it('says so when nobody answers', async () => {
    const url = address;
    await new Promise((resolve) => void server.close(resolve));
    await expect(fetchIt()).rejects.toThrow(DataError);
    await expect(fetchIt()).rejects.toThrow(`${url}a.gz could not be downloaded`);
  });

  it('stops when told to, and can go on later', async () => {
    const controller = new AbortController();
    const stop = new Error('enough');
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': CONTENT.length });
      response.write(CONTENT.subarray(0, 50_000));
    };
    const stopped = fetchIt({ signal: controller.signal, onProgress: () => controller.abort(stop) });
    await expect(stopped).rejects.toBe(stop);
    answer = serveContent;
    await fetchIt();
    await expectWhole();
  });

  it('says so when the folder cannot be made', async () => {
    await writeFile(join(cacheDir, 'file'), '');
    await expect(fetchIt({ dataDir: join(cacheDir, 'file') })).rejects.toThrow('cannot be made');
  });
});
