/** @file `tempered audit`: what it measures with the attacks asked for, and what it refuses to go on with. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createModel, writeModelFile } from '../../src/index.ts';
import { CLASSES, type Folder, smallClassifier, smallData, tempered, temporaryFolder } from './command.ts';

let folder: Folder;
let images: string[];
let common: string[];
let trained: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  const data = await folder.write('data.npz', smallData(90));
  images = ['--data', data, '--count', '30'];
  common = ['audit', await folder.write('small.onnx', smallClassifier()), ...images];
  const settings = ['--method', 'fgsm-random-start', '--epsilon', '0.05', '--epochs', '6', '--batch-size', '12'];
  const { code, stderr } = await tempered(['train', '--data', data, ...settings, '--out', folder.file('trained')]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  trained = folder.file('trained', 'model.onnx');
});
afterAll(() => folder.remove());

const json = async (...names: string[]) => JSON.parse(await readFile(folder.file(...names), 'utf8'));
const quick = ['--attack', 'fgsm pgd:steps=2', '--epsilons', '0,0.1'];

it('goes on with the same model file and the same reading of it only', async () => {
  const same = [...common, ...quick, '--out', folder.file('same')];
  const first = await tempered(same);
  expect({ code: first.code, stderr: first.stderr }).toEqual({ code: 0, stderr: '' });
  const refusal = async (...options: string[]) => {
    const { code, stdout, stderr } = await tempered([...same, ...options]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    return stderr;
  };
  const reading = ['--mean', '0.5', '--std', '0.25', '--input-shape', '1x12x12', '--model-output', 'logits'];
  expect(await refusal(...reading)).toContain(
    'holds a run with other settings: mean was not set, now [0.5] (and 3 more)',
  );
  const other = createModel({ architecture: 'small-cnn', inputShape: [1, 12, 12], classes: CLASSES, seed: 2 });
  await folder.write('small.onnx', writeModelFile(other));
  expect(await refusal()).toContain('holds a run with other settings: dataHashes.model was');
  await folder.write('small.onnx', smallClassifier());
  expect((await tempered(same)).stdout).toBe(first.stdout);
});

it('takes norm and radii from the attacks, and names the one in its pictures', async () => {
  const out = folder.file('l2');
  const attacks = ['--attack', 'fgsm:norm=l2 pgd:norm=l2,steps=3'];
  const { code } = await tempered(['audit', trained, ...images, ...attacks, '--out', out]);
  expect(code).toBe(0);
  const { norm, evaluation, exampleAttack, checks } = await json('l2', 'audit.json');
  expect(norm).toBe('l2');
  expect(evaluation.underAttack.slice(0, 3).map(({ epsilon }: { epsilon: number }) => epsilon)).toEqual([
    0,
    1 / 16,
    1 / 8,
  ]);
  expect(exampleAttack.name).toBe('pgd:norm=l2,steps=3');
  expect(checks.find(({ id }: { id: string }) => id === 'C15').verdict).not.toBe('fail');
  const report = await readFile(folder.file('l2', 'report.html'), 'utf8');
  expect(report).toMatch(/attacked\s+by pgd:norm=l2,steps=3 at ε = /);
  expect(report).toContain('Accuracy under attack (ℓ₂)');
});

it('an attack without a norm needs radii, and its lengths are not compared with them', async () => {
  const args = [...common, '--attack', 'elastic:steps=3', '--out', folder.file('elastic')];
  const refused = await tempered(args);
  expect({ code: refused.code, stdout: refused.stdout }).toEqual({ code: 2, stdout: '' });
  expect(refused.stderr).toContain("the strength of 'elastic' is no distance");
  expect((await tempered([...args, '--epsilons', '0,2'])).code).toBe(0);
  const { norm, checks } = await json('elastic', 'audit.json');
  expect(norm).toBe('elastic');
  expect(checks.find(({ id }: { id: string }) => id === 'C15').verdict).toBe('not applicable');
});

it('says that settings of attacks have no effect on those of the effort', async () => {
  const args = [...common, '--steps', '3', '--loss', 'margin', '--epsilons', '0,0.1', '--out', folder.file('usual')];
  const { code, stderr } = await tempered(args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: 'note: --steps and --loss have no effect without --attack\n' });
});

it('is told by the folder of a trained model how its training went', async () => {
  const verdictsOf = (checks: { id: string; verdict: string }[]) =>
    checks.filter(({ id }) => id === 'C19' || id === 'C20').map(({ verdict }) => verdict === 'not applicable');
  const asked = [...images, ...quick];
  await tempered(['audit', trained, ...asked, '--out', folder.file('of-trained')]);
  expect(verdictsOf((await json('of-trained', 'audit.json')).checks)).toEqual([false, false]);
  await tempered(['evaluate', trained, ...asked, '--json', folder.file('evaluated.json')]);
  expect(verdictsOf((await json('evaluated.json')).models[0].checks)).toEqual([false, false]);
  // The same folder says nothing about a model that it was not written with.
  await folder.write('trained/model.onnx', smallClassifier());
  await tempered(['evaluate', trained, ...asked, '--json', folder.file('evaluated.json')]);
  expect(verdictsOf((await json('evaluated.json')).models[0].checks)).toEqual([true, true]);
});
