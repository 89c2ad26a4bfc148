import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeFileAtomic } from './atomic.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tempered-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('tells of the file that was to be written, not of its temporary name, and leaves nothing', async () => {
  const path = join(folder, 'result.json');
  await mkdir(join(path, 'inside'), { recursive: true });
  const error = await writeFileAtomic(path, '{}').catch((reason: unknown) => reason);
  expect(error).toMatchObject({ path, message: expect.stringContaining(path) });
  expect((error as Error).message).not.toContain('unfinished');
  expect(await readdir(folder)).toEqual(['result.json']);
});
