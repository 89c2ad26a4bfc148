import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fileNames, removeEarlier } from './explain-files.ts';

it.each([
  [
    ['a b', 'a/b', 'a:b'],
    ['a-b', 'a-b-2', 'a-b-3'],
  ],
  [
    ['нормальная', 'устойчивая', '頑健'],
    ['нормальная', 'устойчивая', '頑健'],
  ],
  [
    ['Net', 'net', 'net-2'],
    ['Net', 'net-2', 'net-2-2'],
  ],
  [
    ['grad-cam', 'grad-cam++'],
    ['grad-cam', 'grad-cam++'],
  ],
  [['ig:steps=4,rule=left'], ['ig-steps=4-rule=left']],
])('files of %j are apart', (texts, names) => {
  expect(fileNames(texts)).toEqual(names);
});

it('removes what an earlier run wrote and this one does not, and nothing else', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tempered-explain-'));
  try {
    await removeEarlier(join(folder, 'missing'), []);
    const files = ['attribution-a.npy', 'attribution-b.npy', 'figure.png', 'notes.txt', 'attacked-own.npy'];
    for (const file of files) await writeFile(join(folder, file), '');
    const listed = ['attribution-a.npy', 'attribution-b.npy', 'figure.png', 'notes.txt', 'attribution-gone.npy', 3];
    await writeFile(join(folder, 'result.json'), JSON.stringify({ files: listed }));
    await removeEarlier(folder, ['figure.png', 'attribution-b.npy']);
    const left = ['attacked-own.npy', 'attribution-b.npy', 'figure.png', 'notes.txt', 'result.json'];
    expect((await readdir(folder)).sort()).toEqual(left);
    for (const damaged of ['{', 'null', '[]', '{"files":"figure.png"}']) {
      await writeFile(join(folder, 'result.json'), damaged);
      await removeEarlier(folder, []);
    }
    expect((await readdir(folder)).sort()).toEqual(left);
  } finally {
    await rm(folder, { recursive: true });
  }
});
