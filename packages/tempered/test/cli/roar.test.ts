/** @file `tempered roar` at the size of a toy: killed and gone on with, and what it refuses. */
import { readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Folder, smallData, tempered, temporaryFolder } from './command.ts';

const SETTINGS = {
  trainCount: 40,
  testCount: 30,
  strengths: { l2: [], linf: ['1/10'] },
  modelEpochs: 1,
  adversarial: { steps: 1 },
  training: { epochs: 1, batchSize: 10 },
  evaluation: { steps: 1 },
  percentiles: [50],
  methods: ['saliency'],
  repeats: 1,
  seeds: 1,
  sampleCount: 1,
};

let folder: Folder;
let config: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  const data = await folder.write('data.npz', smallData(60));
  config = await folder.write('config.json', JSON.stringify({ data, ...SETTINGS }));
});
afterAll(() => folder.remove());

const records = async (name: string): Promise<string[]> => {
  const names = await readdir(folder.file(name, 'steps')).catch(() => []);
  return names.filter((each) => /^(published|repaired).*\.json$/.test(each));
};

it('ends as if nothing had happened after kill -9, whatever number of trainings runs at once', async () => {
  const whole = await tempered(['roar', config, '--out', folder.file('whole'), '--threads', '2', '--seed', '5']);
  expect(whole).toMatchObject({ code: 0 });
  expect(whole.stdout).toMatch(/ROAR against strength +ℓ∞ G +\S+ +\S+ +0\.9114/);
  expect(whole.stdout).toMatch(/R000-c, published: /);

  const again = ['roar', config, '--out', folder.file('cut'), '--threads', '1', '--seed', '5'];
  let timer: NodeJS.Timeout | undefined;
  const killed = await tempered(again, undefined, (child) => {
    timer = setInterval(async () => {
      if ((await records('cut')).length >= 3) child.kill('SIGKILL');
    }, 10);
  });
  clearInterval(timer);
  expect(killed.code).toBeNull();
  const kept = await records('cut');
  const contents = () => Promise.all(kept.map((name) => readFile(folder.file('cut', 'steps', name), 'utf8')));
  const before = await contents();
  expect(await tempered(again)).toMatchObject({ code: 0 });
  // Records hold the seconds a training took: one that was done again would differ.
  expect(await contents()).toEqual(before);
  for (const file of ['roar.json', 'report.html', 'tables/scores.csv'])
    expect(await readFile(folder.file('cut', file), 'utf8')).toBe(await readFile(folder.file('whole', file), 'utf8'));
}, 300_000);

it.each([
  [{ percentiles: [90, 10] }, /percentiles must be 1 to 15 rising numbers/],
  [{ protocol: ['repaired'] }, /there is no setting 'protocol'; did you mean 'protocols'/],
  [{ ranked: 'pixels' }, /ranked: must be pixel, sub-pixel-squared or sub-pixel-signed/],
])('refuses %j', async (settings, message) => {
  const wrong = await folder.write('wrong.json', JSON.stringify({ ...SETTINGS, data: 'shapes', ...settings }));
  const { code, stderr } = await tempered(['roar', wrong, '--out', folder.file('wrong')]);
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});
