/** `tempered score` and `tempered methods`, as users run them. */
import { access, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Folder, smallClassifier, smallData, tempered, temporaryFolder } from './command.ts';

let folder: Folder;
beforeAll(async () => {
  folder = await temporaryFolder();
  await folder.write('small.onnx', smallClassifier());
  await folder.write('again.onnx', smallClassifier());
  await folder.write('data.npz', smallData(12));
});
afterAll(() => folder.remove());

const read = async (...names: string[]) => readFile(folder.file('out', ...names), 'utf8');
const args = (...more: string[]) => [
  ...['score', folder.file('small.onnx'), folder.file('again.onnx'), '--data', folder.file('data.npz')],
  ...['--count', '6', '--methods', 'gradient,ig:steps=5', '--metrics', 'deletion:step=0.5,completeness'],
  ...['--controls', '0', '--threads', '1', '--out', folder.file('out'), ...more],
];

it('prints and writes a table methods × metrics × models, and goes on where it was', async () => {
  const { code, stdout, stderr } = await tempered(args());
  expect({ code, stderr: stderr.replace(/^.*control.*$/gm, '').trim() }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('deletion:step=0.5, lower is better (no control)');
  expect(stdout).toMatch(/^gradient +[\d.e-]+ +\[.+\] +[\d.e-]+ +\[.+\]$/m);
  expect(stdout).toMatch(/^gradient +- +- +- +-$/m);
  expect(stdout).toContain('Not put to the test');
  const result = JSON.parse(await read('score.json'));
  expect(result.rows.map(({ model, method }: { model: string; method: string }) => `${model} ${method}`)).toEqual([
    'small gradient',
    'small ig:steps=5',
    'again gradient',
    'again ig:steps=5',
  ]);
  // The two models are one: so are their scores.
  expect(result.rows[2].scores).toEqual(result.rows[0].scores);
  expect((await read('tables', 'scores.csv')).trim().split('\r\n')).toHaveLength(1 + 4 + 2);
  expect((await read('tables', 'images.csv')).trim().split('\r\n')).toHaveLength(1 + 4 * 6);
  expect(await read('report.html')).toMatch(/^<!doctype html>/);
  const again = await tempered(args('--json'));
  expect(again.code).toBe(0);
  expect(JSON.parse(again.stdout).rows).toEqual(result.rows);
  const other = await tempered(args('--seed', '1'));
  expect(other.code).toBe(2);
  expect(other.stderr).toMatch(/^error: The folder .* holds a run with other settings: seeds\.score was 0, now 1/);
});

it.each([
  [['--methods', 'nothing'], "there is no method 'nothing'"],
  [['--methods', 'gradient,gradient'], "--methods names 'gradient' twice"],
  [['--controls', '9'], '9 pictures do not show whether a measure is fit: take at least 10, or 0 for no control'],
  [['--of', 'loss'], 'explain the log-probability'],
  [['--metrics', 'deletion:step=2'], "the setting 'step' must be above 0 and at most 1, not '2'"],
  [['--metrics', 'pointing-game', '--out', 'none'], "the measure 'pointing-game' needs to know where the object is"],
])('refuses %j in one line', async (more, message) => {
  const { code, stdout, stderr } = await tempered(args(...more));
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^error: [^\n]+\n$/);
  expect(stderr).toContain(message);
});

it('refuses a model that is given twice, and what a method refuses before the folder is made', async () => {
  const twice = await tempered(args(folder.file('small.onnx')));
  expect({ code: twice.code, stdout: twice.stdout }).toEqual({ code: 2, stdout: '' });
  expect(twice.stderr).toMatch(/^error: the model .*small\.onnx is given twice\n$/);
  const refused = await tempered(args('--methods', 'gradient,kernel-shap:samples=2', '--out', folder.file('refused')));
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('Kernel SHAP of');
  await expect(access(folder.file('refused'))).rejects.toThrow();
});

it('keeps a model that is named like the data apart from them', async () => {
  await folder.write('data.onnx', smallClassifier());
  const named = [
    'score',
    folder.file('data.onnx'),
    '--data',
    folder.file('data.npz'),
    '--count',
    '2',
    '--controls',
    '0',
  ];
  const more = ['--methods', 'gradient', '--metrics', 'sparseness', '--threads', '1', '--out', folder.file('named')];
  expect((await tempered([...named, ...more])).code).toBe(0);
  const { dataHashes } = JSON.parse(await readFile(folder.file('named', 'manifest.json'), 'utf8'));
  expect(Object.keys(dataHashes)).toEqual(['data', 'model data']);
});

it('lists methods and metrics in 80 columns', async () => {
  const { code, stdout } = await tempered(['methods']);
  expect(code).toBe(0);
  expect(stdout.split('\n').filter((line) => [...line].length > 80)).toEqual([]);
  expect(stdout).toMatch(/^integrated-gradients +mean slope.*\n(?: .*\n)*? +rule=left\| ?right/m);
  expect(stdout).toMatch(/^infidelity +/m);
  const { methods, metrics } = JSON.parse((await tempered(['methods', '--json'])).stdout);
  expect(methods[0]).toMatchObject({ name: 'gradient', settings: { absolute: 'yes|no' } });
  expect(metrics.map(({ name }: { name: string }) => name)).toContain('road');
});
